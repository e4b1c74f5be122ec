"""A clock that moves only when somebody sleeps or pushes it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


class VirtualClock:
    """Time for one test. Sleepers move it at once, so nobody waits; with several sleepers use a real scheduler."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self.elapsed_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return self.elapsed_s

    async def sleep(self, wait_s: float) -> None:
        self.elapsed_s += max(wait_s, 0.0)
        await asyncio.sleep(0)

    def push(self, by_s: float) -> None:
        """Let time pass."""
        self.elapsed_s += by_s
