"""Each row of the table of errors (semantics 3.2): what heals by itself, what waits for a person, what is our fault."""

from __future__ import annotations

from decimal import Decimal

import pytest

from storeweave.connectors.memory.faults import Fault, Sort
from storeweave.model.kinds import ConnectionName, Kind
from storeweave.model.state import MarkState
from tests.engine.stage import Stage, virtually

HOUR_S = 3600.0


@pytest.mark.parametrize("fault", [Fault.FAILED, Fault.NOT_SENT, Fault.UNKNOWN])
@virtually
async def test_what_may_heal_is_tried_for_ever(fault: Fault) -> None:
    stage = Stage()
    keys = [stage.product(f"T-{n}") for n in range(5)]
    stage.faults_b.outage = fault
    await stage.wait(3 * HOUR_S)
    assert {(await stage.mark(k) or pytest.fail("forgotten")).state for k in keys} == {MarkState.DIRTY}
    stage.faults_b.outage = None
    await stage.wait(60.0)
    assert len(stage.b.records[Kind.PRODUCT]) == 5
    assert stage.b.log.created_twice() == []


@virtually
async def test_an_outage_costs_one_probe_in_half_a_minute_and_each_key_one_write_afterwards() -> None:
    stage = Stage()
    for n in range(100):
        stage.product(f"T-{n}")
    await stage.settled()
    stage.faults_b.outage = Fault.FAILED
    for key in list(stage.a.records[Kind.PRODUCT]):
        stage.a.edit_product(key, price=Decimal(11))
    await stage.wait(300.0)  # until it is known to be one
    stage.b.log.clear()
    await stage.wait(2 * HOUR_S)
    assert stage.b.log.count_calls() <= 2 * HOUR_S / stage.probe_s + 1
    stage.faults_b.outage = None
    await stage.wait(120.0)
    assert {r.fields["price"] for r in stage.b.records[Kind.PRODUCT].values()} == {Decimal(11)}
    assert len(stage.b.log.writes(Kind.PRODUCT)) <= 200


@virtually
async def test_a_limit_is_obeyed_and_counts_against_no_key() -> None:
    stage = Stage()
    key = stage.product("T-1")
    stage.faults_b.script(Sort.WRITE, Fault.LIMITED)
    await stage.work()
    mark = await stage.mark(key)
    assert mark is not None
    assert (mark.state, mark.attempts) == (MarkState.DIRTY, 0)
    assert (mark.due_at - stage.clock.now()).total_seconds() == pytest.approx(1.0, abs=0.1)
    await stage.settled()
    assert stage.skus_there() == {"T-1"}


@pytest.mark.parametrize("side", ["a", "b"])
@virtually
async def test_bad_credentials_block_the_connection_and_cost_no_key_an_attempt(side: str) -> None:
    stage = Stage()
    key = stage.product("T-1")
    faults = stage.faults_a if side == "a" else stage.faults_b
    faults.outage = Fault.BLOCKED
    await stage.wait(600.0)
    row = await stage.store.connection(ConnectionName(side))
    mark = await stage.mark(key)
    assert row is not None
    assert mark is not None
    assert (row.state, mark.state, mark.attempts) == ("blocked", MarkState.DIRTY, 0)
    faults.outage = None
    await stage.hub.check_accounts()
    await stage.wait(120.0)
    assert stage.skus_there() == {"T-1"}


@virtually
async def test_a_refused_record_is_parked_with_its_reason_and_its_neighbours_are_done() -> None:
    stage = Stage()
    stage.faults_b.poison.add("T-7")
    keys = [stage.product(f"T-{n}") for n in range(40)]
    await stage.work()
    assert stage.skus_there() == {f"T-{n}" for n in range(40)} - {"T-7"}
    (parked,) = await stage.marks()
    assert (parked.key.key, parked.state) == (keys[7], MarkState.PARKED)
    assert "T-7 is not taken" in (parked.reason or "")
    assert parked.content is not None


@virtually
async def test_news_give_a_parked_record_a_fresh_run() -> None:
    stage = Stage()
    stage.faults_b.poison.add("T-1")
    key = stage.product("T-1")
    await stage.work()
    stage.faults_b.poison.clear()
    stage.a.edit_product(key, description="mended")
    await stage.work()
    assert stage.there("T-1")["description"] == "mended"
    assert await stage.marks() == []


@virtually
async def test_a_parked_record_is_tried_again_once_a_day() -> None:
    stage = Stage()
    stage.faults_b.poison.add("T-1")
    stage.product("T-1")
    await stage.work()
    stage.b.log.clear()
    await stage.wait(20 * HOUR_S)
    assert stage.b.log.count_calls() == 0
    stage.faults_b.poison.clear()
    await stage.wait(5 * HOUR_S)
    assert stage.skus_there() == {"T-1"}


@virtually
async def test_changed_rules_give_parked_records_another_chance() -> None:
    stage = Stage()
    await stage.hub.apply(stage.flow)
    stage.product("T-1", price=Decimal(-1))
    await stage.settled()
    assert [m.reason_code for m in await stage.marks()] == ["value"]
    stage.start(exclude=frozenset({"price"}))
    await stage.hub.apply(stage.flow)
    await stage.settled()
    assert stage.skus_there() == {"T-1"}


@virtually
async def test_our_own_mistake_is_tried_five_times_and_parked_with_a_trace() -> None:
    stage = Stage()
    stage.faults_b.buggy.add("T-3")
    for n in range(10):
        stage.product(f"T-{n}")
    await stage.wait(60.0)
    assert stage.skus_there() == {f"T-{n}" for n in range(10)} - {"T-3"}
    (parked,) = await stage.marks()
    assert (parked.state, parked.reason_code, parked.attempts) == (MarkState.PARKED, "bug", 4)
    assert "trace" in (parked.reason or "")


@virtually
async def test_a_mistake_while_reading_parks_one_key_and_no_neighbour() -> None:
    stage = Stage()
    stage.faults_a.buggy_reads.add("T-3")
    for n in range(10):
        stage.product(f"T-{n}")
    await stage.wait(60.0)
    assert stage.skus_there() == {f"T-{n}" for n in range(10)} - {"T-3"}
    assert [m.reason_code for m in await stage.marks()] == ["bug"]


@virtually
async def test_an_unknown_outcome_is_looked_at_before_it_is_repeated() -> None:
    """The source goes back to what was agreed, so that only a look can tell that the write came true."""
    for safety_on, expected in ((True, Decimal(10)), (False, Decimal(11))):
        stage = Stage()
        if not safety_on:
            stage = Stage(safety=type(stage.safety)(look_before_repeating=False))
        key = stage.product("T-1")
        await stage.settled()
        stage.a.edit_product(key, price=Decimal(11))
        stage.faults_b.script(Sort.WRITE, Fault.UNKNOWN_AFTER)
        await stage.work()
        stage.a.edit_product(key, price=Decimal(10))
        await stage.settled()
        assert stage.there("T-1")["price"] == expected
