"""Proof that something is not there: each missing key is asked for by itself, and answered with 404 (semantics 3.6).

A listing that lacks a key may be a slip of the vendor: an empty answer with status 200 would look like a deleted
catalogue. Absence is rare, so the extra call per missing key costs little.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from storeweave.connectors.bigcommerce.client import Client
from storeweave.connectors.bigcommerce.parallel import in_parallel
from storeweave.connectors.bigcommerce.verdicts import SYSTEM
from storeweave.model.errors import RefusedError, TransientError
from storeweave.model.kinds import Key
from storeweave.ports.permit import Permit


async def prove_absent(client: Client, path: str, keys: Sequence[Key], permit: Permit, *, at_once: int) -> None:
    """Ask for each of the keys under ``path``. Raises TransientError when one is there in spite of the listing."""
    numbers = [key for key in keys if key.isascii() and key.isdigit()]
    if numbers:
        await in_parallel([partial(_ask, client, f"{path}/{key}", permit) for key in numbers], at_once=at_once)


async def _ask(client: Client, path: str, permit: Permit) -> None:
    try:
        await client.get(path, permit)
    except RefusedError as error:
        if error.code == "missing":
            return
        raise TransientError(f"{SYSTEM} neither shows {path} nor says that it is gone: {error}") from error
    raise TransientError(f"{SYSTEM} lists no {path}, and yet it is there: asked again later")
