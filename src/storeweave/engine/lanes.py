"""All lanes of one process: each a task that sleeps until somebody rings, or until something is due."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from storeweave.engine.lane import Lane
from storeweave.model.errors import StoreweaveError
from storeweave.model.kinds import LaneName
from storeweave.ports.clock import Clock

log = structlog.get_logger(__name__)

LONGEST_SLEEP_S = 2.0
"""A lost ring costs at most this."""


class Lanes:
    """Runs the lanes. Rings are hints: whatever is due is found within ``LONGEST_SLEEP_S`` anyway."""

    def __init__(
        self, lanes: Mapping[LaneName, Lane], clock: Clock, *, longest_sleep_s: float = LONGEST_SLEEP_S
    ) -> None:
        self.lanes = lanes
        self._clock = clock
        self._bells = {name: asyncio.Event() for name in lanes}
        self._longest_sleep_s = longest_sleep_s

    def ring(self, lane: LaneName, wait_s: float = 0.0) -> None:
        """Something may be due in this lane in ``wait_s`` seconds. Unknown lanes are somebody else's."""
        bell = self._bells.get(lane)
        if bell is None:
            return
        if wait_s <= 0:
            bell.set()
        else:
            asyncio.get_running_loop().call_later(wait_s, bell.set)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, lane in self.lanes.items():
                group.create_task(self._run(name, lane), name=f"lane {name}")

    async def _run(self, name: LaneName, lane: Lane) -> None:
        bell = self._bells[name]
        while True:
            bell.clear()
            try:
                wait_s = await lane.drain()
            except StoreweaveError as error:
                log.warning("lane.failed", lane=name, reason=str(error))
                wait_s = 1.0
            except Exception:
                log.exception("lane.crashed", lane=name)
                wait_s = 1.0
            wait_s = self._longest_sleep_s if wait_s is None else min(wait_s, self._longest_sleep_s)
            try:
                async with asyncio.timeout(max(wait_s, 0.001)):
                    await bell.wait()
            except TimeoutError:
                continue
