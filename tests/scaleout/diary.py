"""What the shops write down about each write, and the questions that a test asks of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations

import msgspec

from storeweave.model.kinds import Key


class Writing(msgspec.Struct, kw_only=True):
    """One write call, as the shop saw it. Times are the shops' monotonic clock."""

    shop: str
    owner: str
    prices: dict[Key, Decimal | None]  # by source key: what the call set it to
    started_at: float
    applied_at: float | None = None
    ended_at: float | None = None


def overlaps(diary: Sequence[Writing]) -> list[tuple[Writing, Writing]]:
    """Calls of different owners that were writing one key of one shop at the same time."""
    found = []
    by_key: dict[tuple[str, Key], list[Writing]] = defaultdict(list)
    for row in diary:
        for key in row.prices:
            by_key[row.shop, key].append(row)
    for rows in by_key.values():
        for earlier, later in combinations(sorted(rows, key=lambda row: row.started_at), 2):
            ended_at = earlier.ended_at if earlier.ended_at is not None else float("inf")
            if earlier.owner != later.owner and ended_at > later.started_at:
                found.append((earlier, later))
    return found


def steps_back(diary: Sequence[Writing]) -> list[tuple[str, Key, Decimal, Decimal]]:
    """Where an older price was written over a newer one: shop, key, newer, older."""
    found = []
    last: dict[tuple[str, Key], Decimal] = {}
    for row in sorted((r for r in diary if r.applied_at is not None), key=lambda r: r.applied_at or 0.0):
        for key, price in row.prices.items():
            if price is None:
                continue
            if price < last.get((row.shop, key), price):
                found.append((row.shop, key, last[row.shop, key], price))
            last[row.shop, key] = price
    return found
