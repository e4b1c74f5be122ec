"""The dispatcher of a single process: there is nobody else to wake.

``Hub`` rings its own lanes itself, so nothing is left to do. It is what SQLite gets, and what PostgreSQL may get when
only one process uses it.
"""

from __future__ import annotations

import asyncio

from storeweave.model.kinds import LaneName
from storeweave.ports.dispatcher import OnRing


class LocalDispatcher:
    """Answers every ring in the process where it was rung."""

    def __init__(self) -> None:
        self._on_ring: OnRing | None = None

    def ring(self, lane: LaneName, wait_s: float = 0.0) -> None:
        if self._on_ring is None:
            return
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self._answer, lane)
        else:
            self._on_ring(lane)

    def _answer(self, lane: LaneName) -> None:
        if self._on_ring is not None:
            self._on_ring(lane)

    async def run(self, on_ring: OnRing | None) -> None:
        self._on_ring = on_ring
        try:
            await asyncio.Event().wait()
        finally:
            self._on_ring = None

    async def close(self) -> None:
        return None
