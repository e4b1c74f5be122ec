"""Reading a list whole that can only be walked by page number, and noticing when it moved meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from storeweave.connectors.bigcommerce.payloads import Many
from storeweave.connectors.bigcommerce.verdicts import SYSTEM
from storeweave.model.errors import TransientError

T = TypeVar("T")
TRIES: Final = 3


async def read_steadily(
    fetch: Callable[[int], Awaitable[Many[T]]], *, page_size: int, key: Callable[[T], int], what: str
) -> dict[int, T]:
    """All items by id. ``fetch`` gets page numbers from 1.

    Offsets over a moving list skip and repeat items. So a walk counts only when the vendor's total stayed the same and
    equals the number of different items; otherwise it starts again, and the third failure is a TransientError.
    """
    for _ in range(TRIES):
        found = await _walk(fetch, page_size, key)
        if found is not None:
            return found
    raise TransientError(f"the {what} of {SYSTEM} changed while they were listed, {TRIES} times in a row")


async def _walk(
    fetch: Callable[[int], Awaitable[Many[T]]], page_size: int, key: Callable[[T], int]
) -> dict[int, T] | None:
    found: dict[int, T] = {}
    seen, total, page = 0, None, 1
    while True:
        many = await fetch(page)
        now_total = many.meta.pagination.total if many.meta.pagination else None
        if page > 1 and now_total != total:
            return None
        total = now_total
        seen += len(many.data)
        found.update({key(item): item for item in many.data})
        is_last = seen >= total if total is not None else len(many.data) < page_size
        if is_last or not many.data:
            return found if len(found) == seen and (total is None or len(found) == total) else None
        page += 1
