"""The memory shop keeps its own rules, tells what happened in it, and knows the truth about itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings

from storeweave.connectors.memory.shop import MemoryShop, content_hash_of
from storeweave.connectors.memory.state import Rules
from storeweave.connectors.memory.truth import compare
from storeweave.model.errors import RefusedError
from storeweave.model.kinds import Key, Kind
from tests.connectors.memory.world import FREE, World, change_of, creation_of
from tests.strategies import Catalogue, catalogues
from tests.virtual_clock import VirtualClock


def open_shop(name: str = "a", *, first_key: int = 1, rules: Rules | None = None) -> MemoryShop:
    return MemoryShop(name, clock=VirtualClock(), first_key=first_key, rules=rules)


def refused(code: str) -> pytest.RaisesExc[RefusedError]:
    return pytest.RaisesExc(RefusedError, check=lambda e: e.code == code)


def test_skus_are_unique_over_products_and_variants() -> None:
    shop = open_shop()
    shop.create_product("Mug", sku="MUG", options={"Size": ["S", "L"]})
    for sku in ("MUG", "MUG-S"):
        with refused("duplicate"):
            shop.create_product("Other", sku=sku)
    other = shop.create_product("Other", sku="OTHER")
    with refused("duplicate"):
        shop.edit_product(other, sku="MUG-L")
    assert shop.count(Kind.PRODUCT) == 2


def test_a_shop_without_rules_takes_two_products_of_one_sku() -> None:
    shop = open_shop(rules=Rules(unique_skus=False, unique_names=False))
    one, other = shop.create_product("Mug", sku="MUG"), shop.create_product("Mug", sku="MUG")
    assert [record.key for record in shop.search(Kind.PRODUCT, "sku:MUG")] == [one, other]
    assert set(shop.truth()["product"]) == {"MUG", "MUG#2"}


def test_names_are_unique_for_products_brands_and_sibling_categories() -> None:
    shop = open_shop()
    shop.create_product("Mug", sku="A")
    shop.create_brand("Acme")
    kitchen = shop.create_category("Kitchen")
    shop.create_category("Mugs", parent=kitchen)
    shop.create_category("Mugs")
    doubles: list[Callable[[], Key]] = [
        lambda: shop.create_product("Mug", sku="B"),
        lambda: shop.create_brand("ACME"),
        lambda: shop.create_category("Mugs", parent=kitchen),
    ]
    for create in doubles:
        with refused("duplicate"):
            create()


def test_a_freed_name_and_sku_may_be_used_again() -> None:
    shop = open_shop()
    first = shop.create_product("Mug", sku="MUG")
    shop.edit_product(first, sku="OLD", name="Old mug")
    second = shop.create_product("Mug", sku="MUG")
    shop.delete_product(second)
    assert int(shop.create_product("Mug", sku="MUG")) > int(second)


def test_references_must_exist() -> None:
    shop = open_shop()
    with refused("missing-reference"):
        shop.create_product("Mug", brand="99")
    with refused("missing-reference"):
        shop.create_category("Mugs", parent=Key("99"))


def test_a_category_is_never_its_own_ancestor() -> None:
    shop = open_shop()
    top = shop.create_category("Top")
    below = shop.create_category("Below", parent=top)
    with refused("invalid"):
        shop.edit_category(top, parent=below)


def test_deleting_what_is_referred_to_drops_the_reference() -> None:
    shop = open_shop()
    mugs, acme = shop.create_category("Mugs"), shop.create_brand("Acme")
    mug = shop.create_product("Mug", categories=frozenset({mugs}), brand=acme)
    shop.delete_category(mugs)
    shop.delete(Kind.BRAND, acme)
    assert shop.records[Kind.PRODUCT][mug].fields["categories"] == frozenset()
    assert shop.records[Kind.PRODUCT][mug].fields["brand"] is None


def test_a_category_with_subcategories_stays() -> None:
    shop = open_shop()
    top = shop.create_category("Top")
    shop.create_category("Below", parent=top)
    with refused("not-empty"):
        shop.delete_category(top)


def test_deleting_an_option_takes_its_values_and_variants_along() -> None:
    shop = open_shop()
    mug = shop.create_product("Mug", sku="MUG", options={"Size": ["S", "L"], "Colour": ["Red"]})
    size = next(k for k, f in shop.parts_of(mug, "options").items() if f["name"] == "Size")
    shop.delete_part(mug, "options", size)
    assert [f["label"] for f in shop.parts_of(mug, "option_values").values()] == ["Red"]
    assert shop.parts_of(mug, "variants") == {}


def test_parts_are_told_apart_by_what_they_are() -> None:
    shop = open_shop()
    mug = shop.create_product("Mug", sku="MUG", options={"Size": ["S", "L"]})
    with refused("duplicate"):
        shop.add_option(mug, "size", ["M"])
    with refused("duplicate"):
        shop.add_option_value(mug, "Size", "S")
    with refused("duplicate"):
        shop.add_variant(mug, "MUG-2", {"Size": "S"})
    with refused("missing-reference"):
        shop.add_variant(mug, "MUG-2", {"Size": "XL"})
    shop.add_option_value(mug, "Size", "XL")
    variant = shop.add_variant(mug, "MUG-XL", {"Size": "XL"}, price=Decimal(3))
    assert shop.variant_of(mug, "MUG-XL") == variant


def test_a_refused_change_leaves_no_trace() -> None:
    shop = open_shop()
    mug = shop.create_product("Mug", sku="MUG", options={"Size": ["S", "L"]})
    before, effects = shop.truth(), len(shop.log.effects)
    with refused("duplicate"):
        shop.add_variant(mug, "MUG-2", {"Size": "S"})
    assert shop.truth() == before
    assert len(shop.log.effects) == effects
    shop.add_option_value(mug, "Size", "M")
    keys = [int(key) for key in shop.parts_of(mug, "option_values")]
    assert keys == list(range(keys[0], keys[0] + 3))


def test_floats_are_not_taken_for_money() -> None:
    shop = open_shop()
    with pytest.raises(TypeError):
        shop.create_product("Mug", price=1.5)  # type: ignore[arg-type]


def test_an_image_keeps_its_bytes_wherever_it_came_from() -> None:
    shop = open_shop()
    mug = shop.create_product("Mug", pictures=["front"])
    shop.add_image(mug, "back")
    urls = [str(f["url"]) for f in shop.parts_of(mug, "images").values()]
    assert [url.rpartition("/")[2] for url in urls] == [content_hash_of("front"), content_hash_of("back")]


@settings(max_examples=40, deadline=None)
@given(catalogues())
def test_two_shops_with_one_catalogue_agree_whatever_their_keys(catalogue: Catalogue) -> None:
    one, other = open_shop("a"), open_shop("b", first_key=500)
    other.create_brand("Something else")
    one.load(catalogue.records)
    other.load(catalogue.records)
    assert compare(one.truth(), other.truth(), extra_is_fine=True) == []
    assert compare(other.truth(), other.truth()) == []


def test_truth_shows_every_difference() -> None:
    one, other = open_shop("a"), open_shop("b", first_key=500)
    for shop in (one, other):
        mugs = shop.create_category("Mugs")
        shop.create_product(
            "Mug",
            sku="MUG",
            price=Decimal(5),
            options={"Size": ["S", "L"]},
            categories=frozenset({mugs}),
            pictures="ab",
        )
    assert compare(one.truth(), other.truth()) == []
    there = other.key_of(Kind.PRODUCT, "MUG")
    other.edit_product(there, price=Decimal(6), categories=frozenset())
    other.delete_variant(there, other.variant_of(there, "MUG-S"))
    other.edit_variant(there, other.variant_of(there, "MUG-L"), price=Decimal(7))
    other.add_image(there, "a")
    other.create_category("Cups", parent=other.key_of(Kind.CATEGORY, "Mugs"))
    front = content_hash_of("a")[:12]
    assert compare(one.truth(), other.truth()) == [
        "category mugs/cups: should not be there",
        "product MUG: categories is [], should be ['mugs']",
        "product MUG: price is '6', should be '5'",
        f"product MUG / images {front}#2: should not be there",
        "product MUG / variants Size=L: price is '7', should be None",
        "product MUG / variants Size=S: missing",
    ]


def test_what_is_hidden_can_count_as_gone() -> None:
    one, other = open_shop("a"), open_shop("b")
    other.create_product("Mug", sku="MUG", is_visible=False)
    assert compare(one.truth(), other.truth()) == ["product MUG: should not be there"]
    assert compare(one.truth(), other.truth(), hidden_is_gone=True) == []


async def test_the_log_says_who_wrote_what_when() -> None:
    world = World()
    await world.set_price(9)
    (effect,) = world.shop.log.writes()
    assert (effect.by, effect.verb, effect.kind, effect.key, effect.detail) == (
        "hub",
        "update",
        Kind.PRODUCT,
        world.mug,
        ("price",),
    )
    assert effect.at == world.clock.monotonic()
    assert world.shop.log.count_calls("write") == 1


async def test_the_log_finds_two_owners_who_write_one_key_at_once() -> None:
    world = World(latency_s=(1.0, 1.0))
    other = world.connect("zombie")
    await asyncio.gather(
        world.set_price(9), other.write(Kind.PRODUCT, [change_of(world.mug, {"price": Decimal(8)})], FREE)
    )
    ((first, second),) = world.shop.log.overlaps()
    assert {first.by, second.by} == {"hub", "zombie"}
    world.shop.log.clear()
    await world.set_price(9)
    await other.write(Kind.PRODUCT, [change_of(world.mug, {"price": Decimal(8)})], FREE)
    assert world.shop.log.overlaps() == []


async def test_the_log_finds_what_was_created_twice() -> None:
    world = World(rules=Rules(unique_skus=False, unique_names=False))
    await world.write(creation_of("Cup", "CUP"))
    assert world.shop.log.created_twice() == []
    await world.write(creation_of("Cup", "CUP"))
    assert world.shop.log.created_twice() == ["product CUP"]
