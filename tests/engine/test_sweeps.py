"""Full passes: what they cost, what they count, and what they put right (semantics 3.5)."""

from __future__ import annotations

from decimal import Decimal
from math import ceil

import pytest

from storeweave.connectors.memory.connector import Limits
from storeweave.model.kinds import Kind
from storeweave.model.records import Cause
from tests.engine.stage import Stage, virtually

PAGED = Limits(page=5, fed=frozenset())


@pytest.mark.parametrize("products", [1, 5, 23])
@virtually
async def test_a_pass_over_shops_that_agree_reads_pages_and_writes_nothing(products: int) -> None:
    stage = Stage(limits=PAGED)
    for n in range(products):
        stage.product(f"T-{n}")
    await stage.full(destination_too=True)
    for shop in (stage.a, stage.b):
        shop.log.clear()
    run = await stage.full(destination_too=True)
    for shop in (stage.a, stage.b):
        assert shop.log.calls["scan product"] == ceil(products / 5)
        assert shop.log.count_calls("read", "find", "write") == 0
    row = await stage.store.run(run)
    assert row is not None
    assert (row.state, row.counts["product.agree"], row.counts["there.product.agree"]) == ("done", products, products)
    assert "product.marked" not in row.counts


@virtually
async def test_a_pass_finds_what_no_notice_told() -> None:
    stage = Stage(limits=PAGED)
    keys = [stage.product(f"T-{n}") for n in range(12)]
    await stage.full()
    stage.a.hooks.forget(stage.hear)
    stage.a.edit_product(keys[4], description="quietly")
    stage.product("T-new")
    run = await stage.full()
    assert stage.there("T-4")["description"] == "quietly"
    assert "T-new" in stage.skus_there()
    row = await stage.store.run(run)
    assert row is not None
    assert (row.counts["product.marked"], row.counts["product.agree"]) == (2, 11)


@virtually
async def test_a_pass_over_the_destination_finds_drift_and_puts_it_right() -> None:
    stage = Stage(limits=PAGED)
    for n in range(6):
        stage.product(f"T-{n}")
    await stage.full(destination_too=True)
    stage.b.edit_product(stage.b.key_of(Kind.PRODUCT, "T-2"), price=Decimal(99))
    stage.b.create_product("Foreign", sku="F-1")
    run = await stage.full(destination_too=True)
    assert stage.there("T-2")["price"] == Decimal(10)
    assert "F-1" in stage.skus_there()
    row = await stage.store.run(run)
    assert row is not None
    assert (row.counts["there.product.marked"], row.counts["there.product.extra"]) == (1, 1)
    (newest, *_) = await stage.store.history(limit=1)
    assert newest.cause is Cause.DRIFT
    (conflict,) = await stage.store.conflicts()
    assert (conflict.path, conflict.destination, conflict.choice) == ("price", Decimal(99), "source")


@virtually
async def test_what_somebody_deleted_at_the_destination_is_made_again() -> None:
    stage = Stage()
    stage.product("T-1")
    stage.product("T-2")
    await stage.full()
    stage.b.delete_product(stage.b.key_of(Kind.PRODUCT, "T-1"))
    await stage.full(destination_too=True)
    assert stage.skus_there() == {"T-1", "T-2"}


@virtually
async def test_a_broken_pass_says_nothing_about_what_it_did_not_see() -> None:
    stage = Stage(limits=PAGED)
    for n in range(12):
        stage.product(f"T-{n}")
    await stage.full()
    stage.a.hooks.forget(stage.hear)
    for key in list(stage.a.records[Kind.PRODUCT])[:2]:
        stage.a.delete_product(key)
    stage.faults_a.outage = None
    for _ in range(2):
        scans = stage.a.log.calls["scan product"]
        stage.faults_a.buggy_reads.add("T-11")  # on the last page
        with pytest.raises(ValueError, match="mistake"):
            await stage.hub.full(stage.flow, kinds=[Kind.PRODUCT])
        assert stage.a.log.calls["scan product"] > scans
        await stage.wait(11 * 60.0)
    assert all(r.fields["is_visible"] for r in stage.b.records[Kind.PRODUCT].values())
    runs = await stage.store.runs(limit=2)
    assert {r.state for r in runs} == {"failed"}
