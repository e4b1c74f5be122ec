"""Holding a lane: whoever stops us, at whatever moment, finds us stopped and the lane given back."""

import asyncio
from collections.abc import Sequence
from typing import cast

from storeweave.engine.held import held
from storeweave.model.kinds import LaneName
from storeweave.model.records import FlowKey
from storeweave.model.state import LaneHold
from storeweave.ports.clock import SystemClock
from storeweave.ports.store import JournalStore

LANE = LaneName("b")


class SlowStore:
    """Gives and takes a lane back, each in a few turns of the event loop."""

    def __init__(self) -> None:
        self.taken = 0
        self.released = 0

    async def take_lane(self, lane: LaneName, holder: str, lease_s: float, *, exclusive: bool) -> LaneHold:
        await _turns(2)
        self.taken += 1
        return LaneHold(lane=lane, epoch=1, lease_s=lease_s, took_over=False)

    async def renew_lane(self, hold: LaneHold, in_hand: Sequence[FlowKey] | None = None) -> bool:
        await _turns(2)
        return True

    async def release_lane(self, hold: LaneHold) -> None:
        self.released += 1
        await _turns(1)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def _hold_and_wait(store: SlowStore) -> None:
    async with held(LANE, store=cast("JournalStore", store), clock=SystemClock(), holder="x", lease_s=0.001):
        await _turns(3)
    await asyncio.Event().wait()


async def test_a_lane_that_is_stopped_at_any_moment_stops_and_is_given_back() -> None:
    for turns in range(30):
        store = SlowStore()
        task = asyncio.create_task(_hold_and_wait(store))
        await _turns(turns)
        task.cancel()
        _, running = await asyncio.wait([task], timeout=5)
        assert not running, f"it went on although it was stopped after {turns} turns"
        assert store.released == store.taken
