"""The content of an image: its bytes are fetched once and known by their SHA-256 from then on."""

from __future__ import annotations

import hashlib
from typing import Final

from storeweave.connectors.bigcommerce.client import Client
from storeweave.model.errors import RefusedError, TransientError
from storeweave.ports.permit import Permit

MOST_BYTES: Final = 8 * 1024 * 1024  # the vendor's own limit per image


async def content_hash(client: Client, url: str, permit: Permit) -> str:
    """SHA-256 (hex) of the bytes behind an address.

    Raises RefusedError when they cannot be had or are too many, TransientError when that may pass. Which addresses may
    be asked at all is guarded by the transport.
    """
    if not url.startswith(("https://", "http://")):
        raise RefusedError(f"{url!r} is no address of an image", code="image")
    response = await client.fetch(url, permit)
    if response.status == 429 or response.status >= 500:
        raise TransientError(f"{url} answered {response.status}")
    if response.status != 200:
        raise RefusedError(f"the image {url} cannot be fetched: {response.status}", code="image")
    if response.headers.get("content-type", "").lower().startswith("text/html"):
        raise TransientError(f"{url} shows a page instead of an image")
    if not response.body:
        raise RefusedError(f"the image {url} is empty", code="image")
    if len(response.body) > MOST_BYTES:
        raise RefusedError(f"the image {url} is larger than 8 MB", code="image")
    return hashlib.sha256(response.body).hexdigest()
