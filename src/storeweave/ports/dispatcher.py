"""Wakes lanes, in this process or in another one. Waking is a hint; what is due is decided by the store alone.

A ring may be lost, doubled or late: every process looks at its lanes every two seconds anyway (``engine.lanes``), and
who owns a lane is decided by its lease (``engine.held``). So a dispatcher never fails for its callers, keeps nothing
that matters, and may be exchanged for another one at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from storeweave.model.kinds import LaneName

OnRing = Callable[[LaneName], None]
"""What a ring does in the process that answers it. Returns at once and does not raise."""


class Dispatcher(Protocol):
    """The port; ``app.dispatch`` has the implementations."""

    def ring(self, lane: LaneName, wait_s: float = 0.0) -> None:
        """Something will be due in this lane in ``wait_s`` seconds: some process should look at it then.

        Called in the event loop's thread; returns at once and does not raise. Rings for one lane that wait at the same
        time become one.
        """

    async def run(self, on_ring: OnRing | None) -> None:
        """Carry rings until cancelled; ``on_ring`` answers them. None: this process works no lanes, it only rings."""

    async def close(self) -> None:
        """Give back connections. After ``run`` has ended."""
