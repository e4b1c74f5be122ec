"""What a merchant expects: few calls, nothing doubled, what is referred to made first, conflicts decided as agreed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest

from storeweave.connectors.memory.faults import Fault, Sort
from storeweave.connectors.memory.state import Rules
from storeweave.model.flow import Policy
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Record
from storeweave.model.state import MarkState
from storeweave.ports.permit import Permit
from tests.engine.stage import FLOW, SOURCE, Stage, virtually


@virtually
async def test_references_are_made_first_and_in_bulk() -> None:
    stage = Stage()
    stage.a.hooks.forget(stage.hear)
    top = stage.a.create_category("Clothing")
    leaves = [stage.a.create_category(f"Shelf {n}", parent=top) for n in range(5)]
    brand = stage.a.create_brand("Acme")
    keys = [stage.product(f"T-{n}", categories=frozenset({leaves[n % 5]}), brand=brand) for n in range(20)]
    stage.a.hooks.listen(stage.hear)
    for key in keys:  # nobody tells of the categories and the brand
        stage.a.edit_product(key, description="told")
    reads = stage.a.log.calls["read category"]
    await stage.settled()
    assert len(stage.b.records[Kind.CATEGORY]) == 6
    assert len(stage.b.records[Kind.BRAND]) == 1
    assert all(r.fields["brand"] and r.fields["categories"] for r in stage.b.records[Kind.PRODUCT].values())
    assert stage.a.log.calls["read category"] - reads <= 4
    assert stage.b.log.created_twice() == []


@virtually
async def test_a_parent_that_is_renamed_while_its_child_has_it_made_is_made_once() -> None:
    """Both are in one batch: read once as themselves, and the parent once more on behalf of the child."""
    stage = Stage()
    top = stage.a.create_category("Clothing")
    stage.a.create_category("Shirts", parent=top)
    source = stage.hub.connectors[SOURCE]
    read = source.read
    reads = 0

    async def renamed_in_between(kind: Kind, keys: Sequence[Key], permit: Permit) -> Mapping[Key, Record | None]:
        nonlocal reads
        reads += 1
        if reads == 2:
            stage.a.edit_category(top, name="Clothes")
        return await read(kind, keys, permit)

    source.read = renamed_in_between  # type: ignore[method-assign]
    await stage.settled()
    assert sorted(stage.b.path(key) for key in stage.b.records[Kind.CATEGORY]) == ["clothes", "clothes/shirts"]


@virtually
async def test_a_product_follows_its_move_to_another_category() -> None:
    stage = Stage()
    shoes, boots = stage.a.create_category("Shoes"), stage.a.create_category("Boots")
    key = stage.product("T-1", categories=frozenset({shoes}))
    await stage.settled()
    stage.b.log.clear()
    stage.a.edit_product(key, categories=frozenset({boots}))
    await stage.settled()
    assert stage.there("T-1")["categories"] == frozenset({stage.b.key_of(Kind.CATEGORY, "boots")})
    assert stage.b.log.count_calls("write") == 1


@virtually
async def test_calls_per_change() -> None:
    stage = Stage()
    keys = [stage.product(f"T-{n}") for n in range(10)]
    tee = stage.a.create_product("Tee", sku="TEE", options={"Size": [*"ABCDEFGHIJ"], "Colour": ["Red", "Blue"]})
    await stage.settled()

    async def calls() -> int:
        stage.b.log.clear()
        await stage.settled()
        return stage.b.log.count_calls("write")

    stage.a.edit_product(tee, price=Decimal(3))
    assert await calls() == 1
    stage.a.edit_variant(tee, stage.a.variant_of(tee, "TEE-C-Red"), price=Decimal(4))
    assert await calls() == 1
    stage.a.add_image(tee, "picture")
    assert await calls() == 1
    for key in keys:
        stage.a.edit_product(key, price=Decimal(11))
    assert await calls() == 1
    await stage.hub.sync_items(stage.flow, [f"T-{n}" for n in range(10)])
    assert await calls() == 0


@virtually
async def test_a_burst_for_one_product_is_one_run() -> None:
    stage = Stage()
    key = stage.product("T-1")
    await stage.settled()
    stage.b.log.clear()
    reads = stage.a.log.calls["read product"]
    for n in range(30):
        stage.a.edit_product(key, price=Decimal(10) + Decimal(n) / 100)
    await stage.settled()
    assert (stage.b.log.count_calls("write"), stage.a.log.calls["read product"] - reads) == (1, 1)
    assert stage.there("T-1")["price"] == Decimal("10.29")


@virtually
async def test_what_is_there_already_is_linked_by_its_sku_and_not_made_again() -> None:
    stage = Stage()
    for n in range(5):
        stage.b.create_product(f"Thing T-{n}", sku=f"T-{n}", price=Decimal(10), is_visible=True)
    stage.b.log.clear()
    for n in range(5):
        stage.product(f"T-{n}")
    await stage.settled()
    assert stage.b.log.writes(Kind.PRODUCT) == []
    links = await stage.store.link_rows(FLOW, Kind.PRODUCT)
    assert [link.how for link in links] == ["sku"] * 5


@virtually
async def test_two_products_of_one_sku_are_reported_not_merged() -> None:
    stage = Stage(source_rules=Rules(unique_skus=False, unique_names=False))
    first, second = stage.product("T-1"), stage.a.create_product("Another", sku="T-1", price=Decimal(20))
    await stage.settled()
    (parked,) = await stage.marks()
    assert (parked.key.key, parked.state, parked.reason_code) == (second, MarkState.PARKED, "duplicate-sku")
    assert first in (parked.reason or "")
    assert stage.there("T-1")["price"] == Decimal(10)


@virtually
async def test_two_candidates_at_the_destination_are_reported_not_guessed_at() -> None:
    stage = Stage(rules=Rules(unique_skus=False, unique_names=False))
    stage.b.create_product("One", sku="T-1")
    stage.b.create_product("Two", sku="T-1")
    stage.product("T-1")
    await stage.settled()
    (parked,) = await stage.marks()
    assert parked.reason_code == "ambiguous"
    assert "storeweave link" in (parked.reason or "")
    assert len(stage.b.records[Kind.PRODUCT]) == 2


@virtually
async def test_a_renamed_sku_is_followed_not_duplicated() -> None:
    stage = Stage()
    key = stage.a.create_product("Tee", sku="TEE", options={"Size": ["S", "M"]}, is_visible=True)
    await stage.settled()
    there = stage.b.key_of(Kind.PRODUCT, "TEE")
    variants = set(stage.b.parts_of(there, "variants"))
    stage.a.edit_product(key, sku="SHIRT")
    stage.a.edit_variant(key, stage.a.variant_of(key, "TEE-S"), sku="SHIRT-S")
    await stage.settled()
    assert list(stage.b.records[Kind.PRODUCT]) == [there]
    assert stage.there("SHIRT")
    assert set(stage.b.parts_of(there, "variants")) == variants
    assert {f["sku"] for f in stage.b.parts_of(there, "variants").values()} == {"SHIRT-S", "TEE-M"}


@pytest.mark.parametrize(
    ("policy", "stays"), [(Policy.SOURCE, "ours"), (Policy.DESTINATION, "theirs"), (Policy.ASK, "theirs")]
)
@virtually
async def test_both_sides_changed_and_the_policy_of_the_field_decides(policy: Policy, stays: str) -> None:
    stage = Stage(field_policies={"description": policy})
    key = stage.product("T-1", description="agreed")
    await stage.settled()
    stage.b.edit_product(stage.b.key_of(Kind.PRODUCT, "T-1"), description="theirs")
    stage.a.edit_product(key, description="ours", price=Decimal(11))
    await stage.settled()
    assert (stage.there("T-1")["description"], stage.there("T-1")["price"]) == (stays, Decimal(11))
    (conflict,) = await stage.store.conflicts()
    assert (conflict.base, conflict.source, conflict.destination) == ("agreed", "ours", "theirs")
    await stage.full(destination_too=True)
    assert stage.there("T-1")["description"] == stays


@virtually
async def test_an_image_with_the_same_bytes_is_never_uploaded_again() -> None:
    stage = Stage()
    there = stage.b.create_product("Thing T-1", sku="T-1", pictures=["front", "back"])
    images = set(stage.b.parts_of(there, "images"))
    stage.a.create_product("Thing T-1", sku="T-1", pictures=["front", "back", "side"])
    await stage.settled()
    after = stage.b.parts_of(there, "images")
    assert images < set(after)
    assert len(after) == 3
    assert len([e for e in stage.b.log.writes(Kind.PRODUCT) if "images+" in e.detail]) == 1


@virtually
async def test_a_write_that_broke_off_half_way_is_not_repeated_before_reads_show_its_first_half() -> None:
    stage = Stage(destination_lag_s=5.0)
    pictures = [f"picture {n}" for n in range(8)]
    stage.a.create_product("Thing", sku="T-1", pictures=pictures)
    stage.faults_b.script(Sort.WRITE, *[None] * 5, Fault.FAILED)  # the product and four pictures went well
    await stage.settled()
    there = stage.b.parts_of(stage.b.key_of(Kind.PRODUCT, "T-1"), "images")
    assert sorted(str(f["description"]) for f in there.values()) == pictures


@virtually
async def test_every_applied_change_is_kept_with_its_cause_and_its_calls() -> None:
    stage = Stage()
    key = stage.product("T-1")
    await stage.settled()
    stage.a.edit_product(key, price=Decimal(11))
    await stage.settled()
    newest, first = await stage.store.history(key=(await stage.hub.find(stage.flow, "T-1"))[0])
    assert (first.op, newest.op) == ("create", "update")
    assert [(line.path, line.old, line.new) for line in newest.lines] == [("price", Decimal(10), Decimal(11))]
    assert newest.calls
    assert newest.notice is not None
    assert newest.destination_key == Key(stage.b.key_of(Kind.PRODUCT, "T-1"))
