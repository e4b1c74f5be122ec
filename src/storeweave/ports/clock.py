"""Time as an argument: the wall clock for stamps, the monotonic clock for durations, and sleep."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time. Simulations pass a virtual one."""

    def now(self) -> datetime:
        """Wall clock, aware, UTC. May jump; never subtract two of these for a duration that matters."""

    def monotonic(self) -> float:
        """Seconds that only grow, for durations and lease deadlines."""

    async def sleep(self, wait_s: float) -> None:
        """Give way for ``wait_s`` seconds."""


class SystemClock:
    """The machine's clocks. The monotonic one includes time spent suspended where the system has such a clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(_BOOT_CLOCK) if _BOOT_CLOCK is not None else time.monotonic()

    async def sleep(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)


_BOOT_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)
