"""Effects that take place later than their call: requests that time out and land late, asynchronous writes.

Nothing runs by itself. ``apply_due`` is called before each call, each look at the state and each pump, so that with a
virtual clock the outcome depends on nothing but the clock and the seed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Landings:
    """A heap of effects by their due time."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._due)

    @property
    def next_at(self) -> float | None:
        """Monotonic time of the next effect."""
        return self._due[0][0] if self._due else None

    def add(self, at: float, effect: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, effect))

    def apply_due(self, now: float) -> int:
        """Run every effect that is due, oldest first; their number."""
        applied = 0
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
            applied += 1
        return applied
