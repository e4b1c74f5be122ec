"""Two owners of one lane, one after the other: what the first may still be writing, the second looks at again."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from decimal import Decimal

import pytest

from storeweave.engine.held import HeldLane, held
from storeweave.engine.safety import ALL_RULES, SafetyRules
from storeweave.model.errors import LeaseLostError
from storeweave.model.kinds import Kind
from storeweave.model.records import Cause, FlowKey, Priority
from storeweave.model.state import Done, Settlement
from tests.engine.stage import FLOW, LATE_S, Stage, virtually

LEASE_S = 5.0


def lane_of(stage: Stage, holder: str) -> AbstractAsyncContextManager[HeldLane | None]:
    return held(
        stage.flow.lane, store=stage.store, clock=stage.clock, holder=holder, lease_s=LEASE_S, safety=stage.safety
    )


@virtually
async def test_only_one_process_owns_a_lane() -> None:
    stage = Stage()
    async with lane_of(stage, "one") as one, lane_of(stage, "two") as two:
        assert one is not None
        assert two is None
    async with lane_of(stage, "two") as two:
        assert two is not None


@virtually
async def test_a_lane_is_kept_for_as_long_as_it_is_worked() -> None:
    stage = Stage()
    async with lane_of(stage, "one") as one:
        assert one is not None
        await stage.clock.sleep(10 * LEASE_S)
        one.permit(Priority.NORMAL).check()
        async with lane_of(stage, "two") as two:
            assert two is None


@virtually
async def test_nothing_is_written_in_the_last_part_of_a_lease_that_was_not_renewed() -> None:
    stage = Stage()
    for safety in (ALL_RULES, SafetyRules(check_lease_before_write=False)):
        hold = await stage.store.take_lane(stage.flow.lane, "one", LEASE_S)
        assert hold is not None
        mine = HeldLane(hold, stage.store, stage.clock, stage.clock.monotonic(), safety)
        mine.check()
        await stage.clock.sleep(LEASE_S * 0.9)
        if safety is ALL_RULES:
            with pytest.raises(LeaseLostError):
                mine.check()
        else:
            mine.check()
        await stage.store.release_lane(hold)


@pytest.mark.parametrize("confirms", [True, False])
@virtually
async def test_what_the_last_owner_had_in_hand_is_looked_at_when_it_can_no_longer_land(confirms: bool) -> None:
    """The first owner dies with a call on its way; it lands after the second has written what is newer."""
    stage = Stage(safety=SafetyRules(confirm_after_takeover=confirms))
    key = stage.product("T-1")
    await stage.settled()
    there = stage.b.key_of(Kind.PRODUCT, "T-1")
    dead = await stage.store.take_lane(stage.flow.lane, "dead", LEASE_S)
    assert dead is not None
    await stage.store.renew_lane(dead, [FlowKey(FLOW, Kind.PRODUCT, key)])
    stage.b.land_later(LATE_S, lambda: stage.b.set_fields(Kind.PRODUCT, there, {"price": Decimal(7)}, by="dead"))
    stage.a.edit_product(key, price=Decimal(11))
    await stage.clock.sleep(LEASE_S + 0.1)
    await stage.settled(LATE_S / 4)
    assert stage.there("T-1")["price"] == Decimal(11)
    await stage.wait(120.0)
    assert stage.there("T-1")["price"] == (Decimal(11) if confirms else Decimal(7))


@virtually
async def test_whoever_finds_the_lane_taken_marks_again_what_it_may_have_overwritten() -> None:
    stage = Stage()
    key = FlowKey(FLOW, Kind.PRODUCT, stage.product("T-1"))
    await stage.settled()
    old = await stage.store.take_lane(stage.flow.lane, "old", LEASE_S)
    assert old is not None
    await stage.clock.sleep(LEASE_S + 0.1)
    new = await stage.store.take_lane(stage.flow.lane, "new", LEASE_S)
    assert new is not None
    stage.b.edit_product(stage.b.key_of(Kind.PRODUCT, "T-1"), price=Decimal(7))  # the late write of the old one
    done = Settlement(done=[Done(key=key, want=0)], worked=[key])
    assert not await stage.store.settle(old, done)
    await stage.store.release_lane(new)
    mark = await stage.mark(key.key)
    assert mark is not None
    assert (mark.cause, mark.verify) == (Cause.RETRY, True)
    await stage.settled()
    assert stage.there("T-1")["price"] == Decimal(10)


@pytest.mark.parametrize("fenced", [True, False])
@virtually
async def test_whoever_lost_the_lane_clears_nothing(fenced: bool) -> None:
    """The old owner has written nothing; without the fence its results would clear the key all the same."""
    stage = Stage()
    key = stage.product("T-1")
    mark = await stage.mark(key)
    old = await stage.store.take_lane(stage.flow.lane, "old", LEASE_S)
    assert mark is not None
    assert old is not None
    await stage.clock.sleep(LEASE_S + 0.1)
    new = await stage.store.take_lane(stage.flow.lane, "new", LEASE_S)
    assert new is not None
    done = Settlement(done=[Done(key=mark.key, want=mark.want)], worked=[mark.key])
    if fenced:
        assert not await stage.store.settle(old, done)
    else:
        await stage.store.put_bases(done)
    await stage.store.release_lane(new)
    await stage.settled()
    assert stage.skus_there() == ({"T-1"} if fenced else set())


@virtually
async def test_a_second_look_follows_a_read_that_may_have_been_too_early() -> None:
    stage = Stage(source_lag_s=3.0)
    key = stage.product("T-1")
    await stage.work()
    mark = await stage.mark(key)
    assert mark is not None
    assert mark.cause is Cause.SECOND_LOOK
    assert mark.due_at - mark.noticed_at >= timedelta(seconds=3.0)
    await stage.settled()
    assert stage.skus_there() == {"T-1"}


@virtually
async def test_lanes_that_nobody_rang_are_looked_at_all_the_same() -> None:
    stage = Stage()
    task = asyncio.create_task(stage.hub.lanes.run())
    await stage.clock.sleep(0.5)
    stage.product("T-1")
    await stage.clock.sleep(2.5)
    assert stage.skus_there() == {"T-1"}
    task.cancel()
    await asyncio.wait([task])
