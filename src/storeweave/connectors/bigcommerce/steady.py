"""Reading a list whole that can only be walked by page number, and noticing when it moved meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from storeweave.connectors.bigcommerce.parallel import in_parallel
from storeweave.connectors.bigcommerce.payloads import Many
from storeweave.connectors.bigcommerce.verdicts import SYSTEM
from storeweave.model.errors import TransientError

T = TypeVar("T")
TRIES: Final = 3


async def read_steadily(
    fetch: Callable[[int], Awaitable[Many[T]]], *, page_size: int, key: Callable[[T], int], what: str, at_once: int = 1
) -> dict[int, T]:
    """All items by id. ``fetch`` gets page numbers from 1; up to ``at_once`` pages are asked for at a time.

    Offsets over a moving list skip and repeat items. So a walk counts only when the vendor's total stayed the same and
    equals the number of different items; otherwise it starts again, and the third failure is a TransientError.
    """
    for _ in range(TRIES):
        first = await fetch(1)
        total = _total(first)
        if total is None:
            pages = await _until_short(fetch, first, page_size)
        else:
            pages = [first, *await _rest(fetch, first, total, at_once)]
        found = {key(item): item for page in pages for item in page.data}
        steady = all(_total(page) == total for page in pages) and len(found) == sum(len(page.data) for page in pages)
        if steady and (total is None or len(found) == total):
            return found
    raise TransientError(f"the {what} of {SYSTEM} changed while they were listed, {TRIES} times in a row")


async def _rest(fetch: Callable[[int], Awaitable[Many[T]]], first: Many[T], total: int, at_once: int) -> list[Many[T]]:
    """Every page after the first, which shows how many items a page really holds."""
    pages: list[Many[T]] = []

    async def take(page: int) -> None:
        pages.append(await fetch(page))

    last = -(-total // len(first.data)) if first.data else 1
    await in_parallel([partial(take, page) for page in range(2, last + 1)], at_once=at_once)
    return pages


async def _until_short(fetch: Callable[[int], Awaitable[Many[T]]], first: Many[T], page_size: int) -> list[Many[T]]:
    """Page after page until one is not full, for want of a total."""
    pages = [first]
    while len(pages[-1].data) >= page_size:
        pages.append(await fetch(len(pages) + 1))
    return pages


def _total(page: Many[T]) -> int | None:
    return page.meta.pagination.total if page.meta.pagination else None
