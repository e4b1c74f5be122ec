"""A lane has one owner, and the next one learns what the last may still be writing (semantics 3.1)."""

from datetime import UTC, datetime

import msgspec

from storeweave.model.state import Done, LaneHold, Settlement
from storeweave.storage import SqlStore
from tests.storage.samples import LANE, NOW, Bench, key, notice


async def take(store: SqlStore, holder: str = "me") -> LaneHold:
    hold = await store.take_lane(LANE, holder, 60)
    assert hold is not None
    return hold


async def test_a_lane_has_one_owner(bench: Bench) -> None:
    mine = await take(bench.store)
    assert mine.lease_s == 60
    assert not mine.took_over
    assert await bench.store.take_lane(LANE, "you", 60) is None


async def test_every_taking_raises_the_epoch(bench: Bench) -> None:
    first = await take(bench.store)
    second = await take(bench.store)  # the same holder, started again
    assert second.epoch > first.epoch
    assert not await bench.store.renew_lane(first)
    assert await bench.store.renew_lane(second)


async def test_a_lane_given_back_is_free_at_once_and_its_hold_is_worth_nothing(bench: Bench) -> None:
    mine = await take(bench.store)
    await bench.store.release_lane(mine)
    assert not await bench.store.renew_lane(mine)
    assert not await bench.store.settle(mine, Settlement())
    yours = await take(bench.store, "you")
    assert not yours.took_over
    await bench.store.release_lane(mine)
    assert await bench.store.renew_lane(yours)


async def test_an_expired_lease_can_be_taken_and_a_renewed_one_cannot(bench: Bench) -> None:
    mine = await take(bench.store)
    await bench.lapse()
    assert await bench.store.renew_lane(mine)  # nobody has taken it: still ours
    assert await bench.store.take_lane(LANE, "you", 60) is None
    await bench.lapse()
    assert (await take(bench.store, "you")).epoch > mine.epoch
    assert not await bench.store.renew_lane(mine)


async def test_proof_that_nobody_else_lives_takes_a_live_lease(bench: Bench) -> None:
    mine = await take(bench.store)
    await bench.store.renew_lane(mine, [key(1)])
    yours = await bench.store.take_lane(LANE, "you", 60, exclusive=True)
    assert yours is not None
    assert yours.took_over
    assert yours.in_hand == (key(1),)
    assert not await bench.store.renew_lane(mine)


async def test_work_in_hand_outlives_its_owner(bench: Bench) -> None:
    mine = await take(bench.store)
    await bench.store.renew_lane(mine, [key(1), key(2)])
    await bench.store.renew_lane(mine)
    await bench.lapse()
    yours = await take(bench.store, "you")
    assert yours.took_over
    assert yours.in_hand == (key(1), key(2))
    # Dying before acting on it loses nothing either.
    await bench.lapse()
    assert (await take(bench.store, "a third")).in_hand == (key(1), key(2))


async def test_work_cut_short_is_passed_on_even_by_an_owner_who_gives_the_lane_back(bench: Bench) -> None:
    mine = await take(bench.store)
    await bench.store.renew_lane(mine, [key(1)])
    await bench.store.release_lane(mine)
    assert (await take(bench.store, "you")).in_hand == (key(1),)


async def test_what_is_settled_is_no_longer_in_hand(bench: Bench) -> None:
    mine = await take(bench.store)
    await bench.store.renew_lane(mine, [key(1), key(2), key(3)])
    (number,) = await bench.store.accept([notice(2)])
    assert number is not None
    assert await bench.store.settle(mine, Settlement(worked=[key(1)], done=[Done(key=key(2), want=number)]))
    await bench.lapse()
    yours = await take(bench.store, "you")
    assert yours.in_hand == (key(3),)
    await bench.store.renew_lane(yours, [])
    await bench.lapse()
    assert not (await take(bench.store)).took_over


async def test_a_pause_is_known_until_it_ends(bench: Bench) -> None:
    until = datetime(2099, 1, 1, tzinfo=UTC)
    await bench.store.pause_lane(LANE, until, "401 from the vendor")
    assert await bench.store.lane_pauses() == {LANE: (until, "401 from the vendor")}
    await bench.store.pause_lane(LANE, None, "")
    assert await bench.store.lane_pauses() == {}
    await bench.store.pause_lane(LANE, datetime(2001, 1, 1, tzinfo=UTC), "long over")
    assert await bench.store.lane_pauses() == {}
    forever = datetime.max.replace(tzinfo=UTC)
    await bench.store.pause_lane(LANE, forever, "until a person acts")
    assert (await bench.store.lane_pauses())[LANE][0] == forever


async def test_pausing_does_not_take_the_lane_from_its_owner(bench: Bench) -> None:
    mine = await take(bench.store)
    await bench.store.pause_lane(LANE, NOW, "a while")
    assert await bench.store.renew_lane(mine)


async def test_a_hold_is_worth_nothing_in_another_lane(bench: Bench) -> None:
    mine = await take(bench.store)
    other = msgspec.structs.replace(mine, lane="elsewhere")
    assert not await bench.store.renew_lane(other)
