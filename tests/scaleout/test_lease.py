"""What a lease costs, and what it survives; in virtual time, without processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from storeweave.connectors.memory.connector import MemoryConnector
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.engine.held import held
from storeweave.engine.lane import Lane
from storeweave.engine.world import World
from storeweave.model.errors import LeaseLostError, TransientError
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName, LaneName
from storeweave.model.records import FlowKey, Priority
from storeweave.model.state import LaneHold
from storeweave.storage.executor import Inline
from storeweave.storage.store import SqlStore, open_store
from tests.simulation.virtual import VirtualClock, run_virtually

A, B, LANE = ConnectionName("a"), ConnectionName("b"), LaneName("b")
LEASE_S = 6.0


class Flaky:
    """A store whose renewals fail for a while; everything else goes through."""

    def __init__(self, store: SqlStore, clock: VirtualClock, away_s: float) -> None:
        self._store = store
        self._clock = clock
        self._back_at = clock.monotonic() + away_s

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def renew_lane(self, hold: LaneHold, in_hand: Sequence[FlowKey] | None = None) -> bool:
        if self._clock.monotonic() < self._back_at:
            raise TransientError("our own database", code="storage")
        return await self._store.renew_lane(hold, in_hand)


def test_a_lane_with_nothing_to_do_is_not_leased() -> None:
    async def story() -> int:
        clock = VirtualClock(asyncio.get_running_loop())
        store = open_store("sqlite://", executor=Inline(), clock=clock)
        world = World(
            store=store,
            connectors={n: MemoryConnector(MemoryShop(n, clock=clock), clock=clock) for n in (A, B)},
            clock=clock,
            rng=Random(0),
        )
        lane = Lane(LANE, [FlowSpec(name=FlowName("f"), source=A, destination=B)], world, holder="one")
        for _ in range(100):
            assert await lane.drain() is None
        hold = await store.take_lane(LANE, "another", LEASE_S)
        assert hold is not None
        return hold.epoch

    assert run_virtually(story()) == 1


async def _held_for_three_leases(away_s: float) -> None:
    """Keep a lane while the database takes no renewals at first; LeaseLostError when it may not be used at the end."""
    clock = VirtualClock(asyncio.get_running_loop())
    store = open_store("sqlite://", executor=Inline(), clock=clock)
    flaky = Flaky(store, clock, away_s)
    async with held(LANE, store=flaky, clock=clock, holder="one", lease_s=LEASE_S) as mine:  # type: ignore[arg-type]
        assert mine is not None
        for _ in range(30):
            await clock.sleep(LEASE_S / 10)
            mine.permit(Priority.NORMAL).check()
    assert await store.take_lane(LANE, "another", LEASE_S) is not None


def test_a_lease_outlives_a_short_absence_of_the_database() -> None:
    run_virtually(_held_for_three_leases(away_s=LEASE_S / 2))


def test_a_lease_that_could_not_be_renewed_in_time_is_not_used() -> None:
    with pytest.raises(LeaseLostError):
        run_virtually(_held_for_three_leases(away_s=2 * LEASE_S))
