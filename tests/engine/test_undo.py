"""Taking changes back: what still stands as we wrote it, and nothing else; and it stays so until the source moves."""

from __future__ import annotations

from decimal import Decimal

from storeweave.engine.undo import Undone
from storeweave.model.kinds import Key, Kind
from tests.engine.stage import Stage, virtually


async def undo_last(stage: Stage, ops: tuple[str, ...] = ("create", "update", "hide", "delete")) -> list[Undone]:
    """Take back the newest applied change."""
    rows = await stage.store.history(flow=stage.flow.name, ops=ops, limit=1)
    _, undone = await stage.hub.undo(stage.flow, rows)
    await stage.settled()
    return undone


async def edited(**fields: object) -> tuple[Stage, Key]:
    """A product of price 10 that was edited after both sides agreed."""
    stage = Stage()
    key = stage.product("T-1", description="old")
    await stage.settled()
    stage.a.edit_product(key, **fields)  # type: ignore[arg-type]
    await stage.settled()
    return stage, key


@virtually
async def test_an_edit_is_taken_back_and_stays_back() -> None:
    stage, key = await edited(price=Decimal(12), description="new")
    (undone,) = await undo_last(stage)
    assert sorted(undone.restored) == ["description", "price"]
    stage.a.edit_product(key, weight=Decimal(3))  # something else
    await stage.settled()
    await stage.full(destination_too=True)
    there = stage.there("T-1")
    assert (there["price"], there["description"], there["weight"]) == (Decimal(10), "old", Decimal(3))


@virtually
async def test_it_stays_back_only_until_the_source_says_something_new() -> None:
    stage, key = await edited(price=Decimal(12))
    await undo_last(stage)
    stage.a.edit_product(key, price=Decimal(13))
    await stage.settled()
    assert stage.there("T-1")["price"] == Decimal(13)


@virtually
async def test_what_somebody_changed_since_is_reported_and_left() -> None:
    stage, _ = await edited(price=Decimal(12), description="new")
    stage.b.edit_product(stage.b.key_of(Kind.PRODUCT, "T-1"), price=Decimal(99))
    (undone,) = await undo_last(stage)
    assert undone.restored == ("description",)
    assert "somebody changed it since" in undone.left["price"]
    assert stage.there("T-1")["price"] == Decimal(99)


@virtually
async def test_what_was_created_is_hidden() -> None:
    stage = Stage()
    stage.product("T-1")
    await stage.settled()
    (undone,) = await undo_last(stage)
    assert undone.restored == ("is_visible",)
    assert stage.there("T-1")["is_visible"] is False


@virtually
async def test_a_deleted_variant_is_made_again_and_an_added_image_is_removed() -> None:
    stage = Stage()
    key = stage.a.create_product("Tee", sku="TEE", options={"Size": ["S", "M"]}, is_visible=True)
    await stage.settled()
    there = stage.b.key_of(Kind.PRODUCT, "TEE")
    stage.a.delete_variant(key, stage.a.variant_of(key, "TEE-M"))
    await stage.settled()
    await undo_last(stage)
    assert {f["sku"] for f in stage.b.parts_of(there, "variants").values()} == {"TEE-S", "TEE-M"}
    stage.a.add_image(key, "a picture")
    await stage.settled()
    await undo_last(stage)
    assert stage.b.parts_of(there, "images") == {}


@virtually
async def test_a_whole_run_is_taken_back() -> None:
    stage = Stage()
    keys = [stage.product(f"T-{n}") for n in range(12)]
    await stage.full()
    stage.a.hooks.forget(stage.hear)
    for key in keys:
        stage.a.edit_product(key, price=Decimal(11))
    run = await stage.full()
    rows = await stage.store.history(run=run, limit=1000)
    _, undone = await stage.hub.undo(stage.flow, rows)
    assert len(undone) == 12
    assert {r.fields["price"] for r in stage.b.records[Kind.PRODUCT].values()} == {Decimal(10)}
    last = await stage.store.runs(limit=1)
    assert (last[0].what, last[0].state, last[0].counts["undone"]) == ("undo", "done", 12)
