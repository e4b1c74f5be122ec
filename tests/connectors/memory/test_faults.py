"""Every fault of the memory connector does what its name says, to the caller and to the shop."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal

import pytest

from storeweave.connectors.memory.connector import Limits
from storeweave.connectors.memory.content import Lossy
from storeweave.connectors.memory.faults import Fault, FaultPlan, FaultRates, Sort
from storeweave.connectors.memory.shop import as_new
from storeweave.connectors.memory.state import Rules
from storeweave.model.errors import (
    LaneBlockedError,
    NotSentError,
    RateLimitedError,
    RefusedError,
    StoreweaveError,
    TransientError,
    UnknownOutcomeError,
)
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Change, Op, Value
from tests.connectors.memory.world import FREE, World, change_of, creation_of

VERDICTS = [
    (Fault.LIMITED, RateLimitedError),
    (Fault.FAILED, TransientError),
    (Fault.NOT_SENT, NotSentError),
    (Fault.UNKNOWN, UnknownOutcomeError),
]


@pytest.mark.parametrize(("fault", "verdict"), VERDICTS)
async def test_a_write_that_fails_before_its_effect_has_none(fault: Fault, verdict: type[StoreweaveError]) -> None:
    world = World()
    world.faults.script(Sort.WRITE, fault)
    outcome = await world.set_price(9)
    assert type(outcome.error) is verdict
    assert await world.price() == Decimal(5)


@pytest.mark.parametrize(("fault", "verdict"), VERDICTS)
async def test_a_read_that_fails_says_so(fault: Fault, verdict: type[StoreweaveError]) -> None:
    world = World()
    world.faults.script(Sort.READ, fault)
    with pytest.raises(verdict):
        await world.read()
    assert await world.read() is not None


async def test_a_write_of_unknown_outcome_may_have_been_applied() -> None:
    world = World()
    world.faults.script(Sort.WRITE, Fault.UNKNOWN_AFTER)
    outcome = await world.set_price(9)
    assert type(outcome.error) is UnknownOutcomeError
    assert await world.price() == Decimal(9)


async def test_a_late_write_lands_over_what_is_newer() -> None:
    world = World()
    world.faults.rates = FaultRates(late_s=30)
    world.faults.script(Sort.WRITE, Fault.LATE)
    assert type((await world.set_price(9)).error) is UnknownOutcomeError
    assert await world.price() == Decimal(5)
    await world.set_price(10)
    assert await world.price() == Decimal(10)
    assert world.shop.next_at is not None
    world.clock.push(30)
    assert await world.price() == Decimal(9)
    assert [effect.late for effect in world.shop.log.writes()] == [False, True]
    assert world.shop.next_at is None


async def test_a_create_that_lands_late_and_collides_is_refused_in_silence() -> None:
    world = World()
    world.faults.script(Sort.WRITE, Fault.LATE)
    await world.write(creation_of("Cup", "CUP"))
    outcome = (await world.write(creation_of("Cup", "CUP")))[Key("CUP")]
    assert outcome.error is None
    world.clock.push(60)
    world.shop.touch()
    assert world.shop.count(Kind.PRODUCT) == 2
    assert world.shop.log.created_twice() == []


async def test_a_create_that_lands_late_makes_the_record_then() -> None:
    world = World()
    world.faults.script(Sort.WRITE, Fault.LATE)
    await world.write(creation_of("Cup", "CUP"))
    assert world.shop.count(Kind.PRODUCT) == 1
    world.clock.push(60)
    world.shop.touch()
    assert world.shop.count(Kind.PRODUCT) == 2


async def test_a_late_change_of_a_deleted_record_changes_nothing() -> None:
    world = World()
    world.faults.script(Sort.WRITE, Fault.LATE)
    await world.set_price(9)
    world.shop.delete_product(world.mug)
    world.clock.push(60)
    assert await world.read() is None


async def test_a_write_whose_caller_dies_on_the_way_may_still_land() -> None:
    world = World(latency_s=(2.0, 2.0), faults=FaultPlan(random.Random(1), FaultRates(orphaned=1.0)))
    task = asyncio.get_running_loop().create_task(world.set_price(9))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.shop.look(Kind.PRODUCT, world.mug).fields["price"] == Decimal(5)  # type: ignore[union-attr]
    world.clock.push(2)
    assert await world.price() == Decimal(9)


async def test_a_caller_can_die_between_the_effect_and_its_answer() -> None:
    world = World()
    task = asyncio.get_running_loop().create_task(world.set_price(9))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await world.price() == Decimal(9)


async def test_a_partly_served_batch_has_an_outcome_for_every_row() -> None:
    world = World()
    keys = [world.shop.create_product(f"P{i}", sku=f"P{i}", price=Decimal(1)) for i in range(10)]
    world.faults.script(Sort.WRITE, Fault.PARTIAL)
    outcomes = await world.write(*(change_of(key, {"price": Decimal(2)}) for key in keys))
    failed = {ref for ref, outcome in outcomes.items() if outcome.error is not None}
    assert set(outcomes) == set(keys)
    assert 0 < len(failed) < 10
    for key in keys:
        record = await world.read(key)
        assert record is not None
        assert (record.fields["price"] == Decimal(1)) is (key in failed)


async def test_a_record_can_be_left_half_written() -> None:
    world = World()
    source = world.shop.create_product("Model", sku="MODEL", pictures=["a", "b"])
    images = world.shop.parts_of(source, "images")
    world.faults.script(Sort.WRITE, None, None, Fault.FAILED)
    change = Change(
        ref=Key("n"),
        kind=Kind.PRODUCT,
        op=Op.CREATE,
        fields={"name": "Copy", "sku": "COPY"},
        parts=as_new(Kind.PRODUCT, {"images": images}),
    )
    outcome = (await world.write(change))[Key("n")]
    assert isinstance(outcome.error, TransientError)
    assert outcome.key is not None
    assert len(outcome.part_keys["images"]) == 1
    record = await world.read(outcome.key)
    assert record is not None
    assert set(record.parts["images"]) == set(outcome.part_keys["images"].values())


async def test_poison_is_always_refused_and_spoils_no_neighbour() -> None:
    world = World()
    other = world.shop.create_product("Cup", sku="CUP")
    world.faults.poison.add("MUG")
    wanted = world.shop.look(Kind.PRODUCT, world.mug)
    bad = Change(ref=world.mug, kind=Kind.PRODUCT, op=Op.UPDATE, key=world.mug, fields={"name": "M"}, wanted=wanted)
    for _ in range(3):
        outcomes = await world.write(bad, change_of(other, {"name": "Big cup"}))
        assert isinstance(outcomes[world.mug].error, RefusedError)
        assert outcomes[other].error is None


async def test_a_mistake_of_ours_comes_as_a_plain_exception() -> None:
    world = World()
    world.faults.buggy.add("CUP")
    with pytest.raises(ValueError, match="a mistake of ours about CUP"):
        await world.write(creation_of("Cup", "CUP"))
    world.faults.buggy_reads.add("MUG")
    with pytest.raises(ValueError, match="a mistake of ours about Mug"):
        await world.read()


async def test_a_blocked_account_blocks_the_lane() -> None:
    world = World()
    world.faults.outage = Fault.BLOCKED
    with pytest.raises(LaneBlockedError):
        await world.set_price(9)
    with pytest.raises(LaneBlockedError):
        await world.connector.check(FREE)
    world.faults.calm()
    assert (await world.set_price(9)).error is None


async def test_an_empty_listing_looks_like_a_good_one() -> None:
    world = World()
    world.faults.script(Sort.READ, Fault.EMPTY)
    page = await world.connector.scan(Kind.PRODUCT, None, FREE)
    assert (page.records, page.cursor, page.total) == ((), None, 0)


async def test_a_missing_page_leaves_records_out_of_a_listing() -> None:
    world = World(limits=Limits(page=2))
    for i in range(6):
        world.shop.create_product(f"P{i}", sku=f"P{i}")
    world.faults.script(Sort.READ, None, Fault.MISSING_PAGE)
    found: list[Key] = []
    cursor = None
    while True:
        page = await world.connector.scan(Kind.PRODUCT, cursor, FREE)
        found += [record.key for record in page.records]
        cursor = page.cursor
        if cursor is None:
            break
    assert page.total == 7
    assert len(found) == 5


async def test_an_empty_answer_does_not_make_a_record_disappear() -> None:
    world = World()
    world.faults.script(Sort.READ, Fault.EMPTY)
    assert await world.read() is not None


async def test_an_answer_can_say_that_everything_is_zero() -> None:
    world = World()
    world.shop.edit_product(world.mug, inventory_level=4, is_visible=True)
    world.faults.script(Sort.READ, Fault.ZEROES)
    record = await world.read()
    assert record is not None
    assert record.fields["price"] == Decimal(0)
    assert record.fields["inventory_level"] == 0
    assert record.fields["is_visible"] is True


async def test_reads_can_show_the_state_before_a_write() -> None:
    world = World(read_lag_s=10)
    await world.set_price(9)
    assert await world.price() == Decimal(5)
    world.clock.push(10)
    assert await world.price() == Decimal(9)


async def test_a_late_reader_still_sees_what_was_deleted_and_not_yet_what_was_made() -> None:
    world = World(read_lag_s=10)
    world.shop.delete_product(world.mug)
    new = world.shop.create_product("Cup", sku="CUP")
    assert await world.read() is not None
    assert await world.read(new) is None
    assert [r.key for r in (await world.connector.scan(Kind.PRODUCT, None, FREE)).records] == [world.mug]
    world.clock.push(10)
    assert [r.key for r in (await world.connector.scan(Kind.PRODUCT, None, FREE)).records] == [new]


async def test_what_is_written_can_read_back_spoiled() -> None:
    world = World(rules=Rules(lossy=Lossy()))
    fields: dict[str, Value] = {"name": "  Cup ", "price": Decimal("1.239"), "search_keywords": "Tea CUP"}
    await world.write(change_of(world.mug, fields))
    record = await world.read()
    assert record is not None
    assert {n: record.fields[n] for n in fields} == {
        "name": "Cup",
        "price": Decimal("1.24"),
        "search_keywords": "tea cup",
    }


async def test_the_same_seed_brings_the_same_faults() -> None:
    async def run(seed: int) -> tuple[list[str], object]:
        world = World(faults=FaultPlan(random.Random(seed), FaultRates.evenly(0.5, lies=True)), latency_s=(0.1, 2.0))
        trace = []
        for i in range(60):
            trace.append(str((await world.set_price(i)).error))
            try:
                record = await world.read()
                trace.append(str(record and record.fields["price"]))
            except StoreweaveError as e:
                trace.append(str(e))
        world.clock.push(100)
        return trace, world.shop.truth()

    assert await run(3) == await run(3)
    assert await run(3) != await run(4)


def test_faults_strike_as_often_as_their_rates_say() -> None:
    plan = FaultPlan(random.Random(1), FaultRates.evenly(0.2))
    struck = sum(plan.draw(Sort.WRITE) is not None for _ in range(5000))
    assert 850 < struck < 1150
    assert len(plan.drawn) == 7
