"""Deletes: believed with proof, hidden rather than removed, and never many at once without a person (semantics 3.6)."""

from __future__ import annotations

import pytest

from storeweave.connectors.memory.connector import Limits
from storeweave.connectors.memory.faults import Fault, Sort
from storeweave.engine.safety import SafetyRules
from storeweave.model.errors import RefusedError
from storeweave.model.flow import BrakeLimits, Deletes
from storeweave.model.kinds import Kind
from storeweave.model.records import Event
from storeweave.model.state import MarkState
from tests.engine.stage import Stage, virtually

FEW = BrakeLimits(deletes=3, deletes_share=0.0)
MINUTE_S = 60.0


def visible(stage: Stage) -> set[object]:
    return {r.fields["sku"] for r in stage.b.records[Kind.PRODUCT].values() if r.fields.get("is_visible")}


@virtually
async def test_what_is_deleted_here_is_hidden_there() -> None:
    stage = Stage()
    gone, _ = stage.product("T-1"), stage.product("T-2")
    await stage.settled()
    stage.a.delete_product(gone)
    await stage.settled()
    assert visible(stage) == {"T-2"}
    assert stage.skus_there() == {"T-1", "T-2"}


@virtually
async def test_it_is_removed_when_the_flow_says_so_and_left_alone_when_it_says_so() -> None:
    for deletes, left in ((Deletes.DELETE, {"T-2"}), (Deletes.IGNORE, {"T-1", "T-2"})):
        stage = Stage(deletes=deletes)
        gone, _ = stage.product("T-1"), stage.product("T-2")
        await stage.settled()
        stage.a.delete_product(gone)
        await stage.settled()
        assert visible(stage) == left


@virtually
async def test_a_delete_notice_about_something_that_lives_changes_nothing() -> None:
    stage = Stage()
    key = stage.product("T-1")
    await stage.settled()
    stage.a.hooks.emit(Kind.PRODUCT, key, Event.DELETED, "deleted", stage.clock.now())
    await stage.settled()
    assert visible(stage) == {"T-1"}


@pytest.mark.parametrize("fault", [Fault.FAILED, Fault.UNKNOWN, Fault.BLOCKED, Fault.EMPTY])
@virtually
async def test_an_answer_that_is_none_is_no_proof_of_a_delete(fault: Fault) -> None:
    stage = Stage()
    key = stage.product("T-1")
    await stage.settled()
    stage.faults_a.outage = fault
    stage.a.hooks.emit(Kind.PRODUCT, key, Event.DELETED, "deleted", stage.clock.now())
    await stage.wait(10 * MINUTE_S)
    assert visible(stage) == {"T-1"}


@pytest.mark.parametrize("destination_too", [False, True])
@virtually
async def test_one_listing_without_a_record_proves_nothing_and_two_in_a_row_do(destination_too: bool) -> None:
    stage = Stage()
    keys = [stage.product(f"T-{n}") for n in range(8)]
    await stage.full(destination_too=destination_too)
    stage.a.hooks.forget(stage.hear)
    stage.a.delete_product(keys[0])
    await stage.full(destination_too=destination_too)
    await stage.full(destination_too=destination_too)  # a moment later: still one observation
    assert "T-0" in visible(stage)
    await stage.wait(11 * MINUTE_S)
    await stage.full(destination_too=destination_too)
    assert "T-0" not in visible(stage)


@virtually
async def test_without_that_rule_one_listing_would_do() -> None:
    stage = Stage(safety=SafetyRules(two_listings=False))
    keys = [stage.product(f"T-{n}") for n in range(8)]
    await stage.full()
    stage.a.hooks.forget(stage.hear)
    stage.a.delete_product(keys[0])
    await stage.full()
    assert "T-0" not in visible(stage)


@pytest.mark.parametrize("fault", [Fault.EMPTY, Fault.MISSING_PAGE])
@virtually
async def test_a_listing_that_lies_makes_no_absence_and_updates_go_on(fault: Fault) -> None:
    stage = Stage(limits=Limits(page=3, fed=frozenset()))
    keys = [stage.product(f"T-{n}") for n in range(9)]
    await stage.full()
    stage.faults_a.outage = fault
    for _ in range(3):
        await stage.wait(11 * MINUTE_S)
        run = await stage.store.run(await stage.hub.full(stage.flow, kinds=[Kind.PRODUCT]))
        assert run is not None
        assert "product.absent" not in run.counts
    stage.faults_a.outage = None
    stage.a.edit_product(keys[0], description="new")
    await stage.settled()
    assert len(visible(stage)) == 9
    assert stage.there("T-0")["description"] == "new"


@virtually
async def test_without_that_rule_a_listing_that_lacks_a_page_would_make_absences() -> None:
    stage = Stage(limits=Limits(page=3, fed=frozenset()), safety=SafetyRules(whole_listings=False))
    for n in range(9):
        stage.product(f"T-{n}")
    await stage.full()
    await stage.wait(MINUTE_S)
    stage.faults_a.script(Sort.READ, Fault.MISSING_PAGE)
    run = await stage.store.run(await stage.hub.full(stage.flow, kinds=[Kind.PRODUCT]))
    assert run is not None
    assert run.counts["product.absent"] > 0


@virtually
async def test_an_empty_listing_raises_an_alert() -> None:
    stage = Stage()
    for n in range(9):
        stage.product(f"T-{n}")
    await stage.full()
    stage.faults_a.outage = Fault.EMPTY
    await stage.hub.full(stage.flow, kinds=[Kind.PRODUCT])
    assert [b.guard for b in await stage.store.brakes()] == ["shrunk-product"]


@virtually
async def test_too_many_deletes_stop_and_updates_go_on() -> None:
    stage = Stage(brakes=FEW)
    keys = [stage.product(f"T-{n}") for n in range(10)]
    await stage.settled()
    for key in keys[:6]:
        stage.a.delete_product(key)
    stage.a.edit_product(keys[9], description="new")
    await stage.settled()
    assert len(visible(stage)) >= 10 - FEW.deletes
    assert stage.there("T-9")["description"] == "new"
    (brake,) = await stage.store.brakes()
    assert brake.held == len([m for m in await stage.marks() if m.state is MarkState.HELD])
    assert "6 product records would be deleted or hidden" in brake.message
    assert brake.sample


@virtually
async def test_a_person_releases_exactly_the_list_that_was_shown() -> None:
    stage = Stage(brakes=FEW)
    keys = [stage.product(f"T-{n}") for n in range(10)]
    await stage.settled()
    for key in keys[:5]:
        stage.a.delete_product(key)
    await stage.settled()
    (shown,) = await stage.store.brakes()
    stage.a.delete_product(keys[5])
    await stage.settled()
    now = stage.clock.now()
    with pytest.raises(RefusedError):
        await stage.store.release_brake(shown.id, count=shown.held, list_hash=shown.list_hash, now=now)
    (shown,) = await stage.store.brakes()
    await stage.store.release_brake(shown.id, count=shown.held, list_hash=shown.list_hash, now=now)
    await stage.settled()
    assert visible(stage) == {f"T-{n}" for n in range(6, 10)}


@virtually
async def test_single_deletes_pass_day_after_day() -> None:
    stage = Stage(brakes=FEW)
    keys = [stage.product(f"T-{n}") for n in range(10)]
    await stage.settled()
    for key in keys[:6]:
        stage.a.delete_product(key)
        await stage.settled()
        await stage.wait(12 * 3600.0)
    assert len(visible(stage)) == 4
    assert await stage.store.brakes() == []
