"""Generated catalogues, and the oracle that compares two stores."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.connectors.bigcommerce.twin import Figures, TwinSettings, agreement, compare_stores
from storeweave.connectors.bigcommerce.twin.checks import CATEGORY, PRODUCT, VARIANT
from storeweave.connectors.bigcommerce.twin.dump import store_digest, store_json
from tests.connectors.bigcommerce.desk import Desk


def _store(figures: Figures, *, seed: int = 1, store_hash: str = "a", first_id: int = 100) -> Desk:
    return Desk(TwinSettings(store_hash=store_hash, first_id=first_id), seed=seed, figures=figures)


def test_the_same_seed_gives_the_same_catalogue_and_another_seed_another() -> None:
    figures = Figures(products=200)
    digests = [store_digest(_store(figures, seed=seed).twin.shop) for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_a_large_catalogue_has_everything_that_real_ones_have() -> None:
    shop = _store(Figures(products=3000)).twin.shop
    products = [entry.product for entry in shop.entries.values()]
    sizes = Counter(len(entry.variants) for entry in shop.entries.values())
    assert max(sizes) == 600
    assert sizes[1] > 1000
    assert any(not product.sku for product in products)
    assert any(not product.name.isascii() for product in products)
    assert any(product.type == "digital" for product in products)
    assert any("." in str(product.price) and len(str(product.price).split(".")[1]) == 4 for product in products)
    assert max(len(shop.category_path(number)) for number in shop.categories) >= 6
    assert {option.display_name for entry in shop.entries.values() for option in entry.options} >= {"Colour", "Size"}
    assert any(entry.bulk_pricing_rules for entry in shop.entries.values())
    assert any(entry.custom_fields for entry in shop.entries.values())
    assert any(not variant.sku for entry in shop.entries.values() for variant in entry.variants if entry.has_choices)
    assert {listing.state for listing in shop.listings[2].values()} == {"active", "disabled", "pending"}


@given(seed=st.integers(0, 2**32), products=st.integers(0, 60), share=st.floats(0, 1), images=st.integers(0, 4))
def test_every_generated_store_is_one_that_the_api_would_accept(
    seed: int, products: int, share: float, images: int
) -> None:
    figures = Figures(products=products, with_options=share, exact_images=images, unicode=share)
    shop = _store(figures, seed=seed).twin.shop
    assert len(shop.entries) == products
    names = [entry.product.name.lower() for entry in shop.entries.values()]
    assert len(set(names)) == len(names)
    for category in shop.categories.values():
        _accepted(CATEGORY, category, {"url"})
        assert len(shop.category_path(category.id)) <= 8
    for entry in shop.entries.values():
        shop.require_unique(entry)
        _accepted(PRODUCT, entry.product, {"custom_url"})
        assert all(number in shop.categories for number in entry.product.categories)
        assert len(entry.images) == images
        combinations = [tuple(choice.id for choice in variant.option_values) for variant in entry.variants]
        assert len(set(combinations)) == len(combinations) <= 600
        for variant in entry.variants:
            _accepted(VARIANT, variant, set())
            assert len(variant.option_values) == len(entry.options)


def _accepted(checks: Any, value: Any, but: set[str]) -> None:
    for name, check in checks.items():
        if name not in but and hasattr(value, name):
            held = getattr(value, name)
            assert check(list(held) if isinstance(held, tuple) else held) == held, name


def test_figures_fix_the_number_of_variants_and_images() -> None:
    shop = _store(Figures(products=5, exact_variants=20, exact_images=10)).twin.shop
    assert {(len(entry.variants), len(entry.images)) for entry in shop.entries.values()} == {(20, 10)}


def test_equal_catalogues_with_other_ids_agree() -> None:
    figures = Figures(products=120)
    a, b = _store(figures), _store(figures, store_hash="b", first_id=50_000)
    assert compare_stores(a.twin, b.twin) == []
    assert agreement(a.twin, b.twin) == 1.0
    assert store_json(a.twin.shop) == store_json(b.twin.shop)


EDITS: dict[str, tuple[str, dict[str, Any]]] = {
    "price": ("edit_product", {"price": 987.65}),
    "description": ("edit_product", {"description": "<p>Other</p>"}),
    "brand": ("edit_product", {"brand_name": "Somebody"}),
    "images": ("add_image", {"seed": "new"}),
    "custom_fields": ("add_custom_field", {"name": "Mood", "value": "Good"}),
    "variants": ("add_variant", {"product_sku": None, "labels": {"Colour": "Invisible"}}),
    "": ("delete_product", {}),
}


@pytest.mark.parametrize("path", list(EDITS))
def test_every_edit_is_found_by_the_oracle(path: str) -> None:
    figures = Figures(products=40, exact_variants=3)
    a, b = _store(figures), _store(figures, store_hash="b", first_id=50_000)
    sku = random.Random(3).choice([sku for sku in b.merchant.skus() if b.merchant.product(sku).options[0].name])
    deed, fields = EDITS[path]
    if deed == "add_variant":
        option = b.merchant.product(sku).options[0].display_name
        b.merchant.add_variant(sku, f"{sku}-new", {option: "Invisible"})
    else:
        getattr(b.merchant, deed)(sku, **fields)
    found = compare_stores(a.twin, b.twin)
    assert {difference.key for difference in found if difference.key.startswith("product")} == {f"product {sku}"}
    assert any(difference.path.startswith(path) for difference in found)
    assert agreement(a.twin, b.twin) < 1


def test_a_moved_category_and_a_missing_one_are_found() -> None:
    figures = Figures(products=10)
    a, b = _store(figures), _store(figures, store_hash="b")
    b.merchant.move_category("Home > Kitchen", None)
    keys = {difference.key for difference in compare_stores(a.twin, b.twin)}
    assert {"category Home > Kitchen", "category Kitchen"} <= keys
    assert compare_stores(a.twin, b.twin, limit=1) == compare_stores(a.twin, b.twin)[:1]


def test_availability_follows_the_listing_where_a_channel_stands_for_the_destination() -> None:
    a, b = _store(Figures(products=20, listed=1.0)), _store(Figures(products=20, listed=1.0), store_hash="b")
    for entry in a.twin.shop.entries.values():
        listing = a.twin.shop.listings[2][a.twin.shop.listed[2, entry.product.id]]
        if entry.product.sku:
            wanted = "available" if listing.state == "active" else "disabled"
            b.merchant.edit_product(entry.product.sku, availability=wanted)
    assert compare_stores(a.twin, b.twin, channel_id=2) == []
    sku = a.merchant.skus()[0]
    a.merchant.set_listing(sku, 2, "error")
    b.merchant.edit_product(sku, availability="available")
    assert [(each.key, each.path) for each in compare_stores(a.twin, b.twin, channel_id=2)] == [
        (f"product {sku}", "availability")
    ]


def test_stock_and_chosen_fields_can_be_left_out() -> None:
    a, b = _store(Figures(products=10)), _store(Figures(products=10), store_hash="b")
    sku = a.merchant.skus()[0]
    b.merchant.edit_product(sku, inventory_level=12345, warranty="none", inventory_tracking="product")
    b.merchant.create_product("Extra", "EXTRA", 1)
    assert len(compare_stores(a.twin, b.twin)) == 4
    ignored = ("warranty", "inventory_tracking")
    assert compare_stores(a.twin, b.twin, stock=False, ignore=ignored, extra_allowed=True) == []
    assert compare_stores(a.twin, b.twin, skip=(sku, "EXTRA")) == []
