"""What an owner of a lane left in hand is looked at by the next one, once, and hinders nobody after that."""

from decimal import Decimal

from storeweave.model.kinds import Kind, LaneName
from storeweave.model.records import FlowKey
from tests.engine.stage import DESTINATION, FLOW, Stage, virtually

LANE = LaneName(DESTINATION)


async def in_hand(stage: Stage) -> tuple[FlowKey, ...]:
    hold = await stage.store.take_lane(LANE, "onlooker", 5.0)
    assert hold is not None
    await stage.store.release_lane(hold)
    return hold.in_hand


@virtually
async def test_a_key_that_was_left_in_hand_is_not_put_off_again_and_again() -> None:
    stage = Stage(destination_lag_s=2.0)
    key = stage.product("T-1")
    await stage.settled()
    await stage.wait(10.0)
    hold = await stage.store.take_lane(LANE, "hub", 5.0)
    assert hold is not None
    await stage.store.renew_lane(hold, [FlowKey(FLOW, Kind.PRODUCT, key)])
    await stage.store.release_lane(hold)
    stage.a.edit_product(key, price=Decimal(12))
    await stage.wait(60.0)
    assert stage.there("T-1")["price"] == Decimal(12)
    await stage.settled()
    assert await in_hand(stage) == ()


@virtually
async def test_an_undo_leaves_nothing_in_hand() -> None:
    stage = Stage(destination_lag_s=2.0)
    key = stage.product("T-1")
    await stage.settled()
    stage.a.edit_product(key, price=Decimal(12))
    await stage.settled()
    await stage.wait(10.0)
    rows = await stage.store.history(key=FlowKey(FLOW, Kind.PRODUCT, key), limit=1)
    await stage.hub.undo(stage.flow, rows)
    assert await in_hand(stage) == ()
    assert stage.there("T-1")["price"] == Decimal(10)
