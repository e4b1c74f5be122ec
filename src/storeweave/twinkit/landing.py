"""Effects that take place later than their call: requests that time out and land late, asynchronous writes.

Nothing runs by itself. ``apply_due`` is called before each call, each look at the state and each pump, so that with a
virtual clock the outcome depends on nothing but the clock and the seed.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from storeweave.ports.clock import Clock


class Landings:
    """A heap of effects by their due time."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    @property
    def next_at(self) -> float | None:
        """Monotonic time of the next effect."""
        return self._due[0][0] if self._due else None

    def add(self, at: float, effect: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, effect))
        self._news.set()

    def apply_due(self, now: float) -> int:
        """Run every effect that is due, oldest first; their number."""
        applied = 0
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
            applied += 1
        return applied

    async def run(self, clock: Clock) -> None:
        """Let effects take place on time, for ever. Cancel to stop."""
        while True:
            self.apply_due(clock.monotonic())
            self._news.clear()
            await until(clock, self.next_at, self._news)


async def until(clock: Clock, at: float | None, news: asyncio.Event) -> None:
    """Wait for the monotonic time ``at`` (None: for ever) or for news, whichever comes first."""
    if at is None:
        await news.wait()
        return
    wait_s = at - clock.monotonic()
    if wait_s <= 0:
        return
    async with asyncio.TaskGroup() as group:
        waits = (group.create_task(_sleep(clock, wait_s)), group.create_task(_news(news)))
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


async def _sleep(clock: Clock, wait_s: float) -> None:
    await clock.sleep(wait_s)


async def _news(news: asyncio.Event) -> None:
    await news.wait()
