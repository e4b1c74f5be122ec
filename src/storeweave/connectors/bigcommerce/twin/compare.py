"""The oracle: in what do two stores differ, told without either store's ids.

It looks at the twins' own state, never at what the hub believes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from storeweave.connectors.bigcommerce.twin.dump import product_key, product_state, store_state, text_of
from storeweave.connectors.bigcommerce.twin.store import BigCommerceTwin

NOT_OURS = frozenset({"view_count", "total_sold", "reviews_rating_sum", "reviews_count", "date_last_imported"})
STOCK = frozenset({"inventory_level"})


class Difference(msgspec.Struct, frozen=True):
    """One thing in which the stores differ; ``source`` or ``destination`` is None where it is missing."""

    key: str  # "product SW-000001", "category Home > Cups", "brand Loomworks"
    path: str  # "price", "variants/Colour=Black/sku"; empty: the whole thing
    source: str | None
    destination: str | None

    def __str__(self) -> str:
        return f"{self.key} {self.path}: {self.source} != {self.destination}"


def compare_stores(
    source: BigCommerceTwin,
    destination: BigCommerceTwin,
    *,
    ignore: Collection[str] = (),
    stock: bool = True,
    channel_id: int | None = None,
    extra_allowed: bool = False,
    skip_without_sku: bool = True,
    skip: Collection[str] = (),
    limit: int = 1000,
) -> list[Difference]:
    """What would have to change at the destination for the stores to agree; at most ``limit`` differences.

    ``ignore``: field names that do not count, besides those that no sync should copy. ``stock`` False: levels do not
    count. ``channel_id``: availability must follow the state of the source's listing there (brief 1's channel rule)
    instead of the source's availability. ``extra_allowed``: the destination may have more products, categories and
    brands. ``skip_without_sku``: products without a SKU cannot be matched and do not count; neither do ``skip``'s SKUs.
    """
    source.settle()
    destination.settle()
    unseen = NOT_OURS | set(ignore) | (frozenset() if stock else STOCK)
    found: list[Difference] = []
    for difference in _all(source, destination, unseen, channel_id, extra_allowed, skip_without_sku, frozenset(skip)):
        found.append(difference)
        if len(found) >= limit:
            break
    return found


def agreement(source: BigCommerceTwin, destination: BigCommerceTwin, **options: Any) -> float:
    """Share of the source's products that are equal at the destination, from 0 to 1."""
    wrong = {
        difference.key
        for difference in compare_stores(source, destination, limit=1_000_000_000, **options)
        if difference.key.startswith("product ")
    }
    total = sum(1 for entry in source.shop.entries.values() if entry.product.sku)
    return 1.0 if not total else max(0.0, 1 - len(wrong) / total)


def _all(
    source: BigCommerceTwin,
    destination: BigCommerceTwin,
    unseen: Collection[str],
    channel_id: int | None,
    extra_allowed: bool,
    skip_without_sku: bool,
    skip: Collection[str],
) -> Iterator[Difference]:
    there = {product_key(entry): entry for entry in destination.shop.entries.values()}
    seen: set[str] = set()
    used_brands: set[str] = set()
    for entry in source.shop.entries.values():
        key = product_key(entry)
        seen.add(key)
        if key in skip or (skip_without_sku and not entry.product.sku):
            continue
        ours = product_state(source.shop, entry)
        if ours["brand"] is not None:
            used_brands.add(ours["brand"])
        if channel_id is not None:
            ours["availability"] = _listed_availability(source, channel_id, entry.product.id)
        if key not in there:
            yield Difference(f"product {key}", "", "there", None)
            continue
        theirs = product_state(destination.shop, there[key])
        for name in unseen:
            _without(ours, name)
            _without(theirs, name)
        yield from _unequal(f"product {key}", "", ours, theirs)
    if not extra_allowed:
        for key in sorted(there.keys() - seen - set(skip)):
            if there[key].product.sku or not skip_without_sku:
                yield Difference(f"product {key}", "", None, "there")
    yield from _surroundings(source, destination, used_brands, extra_allowed)


def _surroundings(
    source: BigCommerceTwin, destination: BigCommerceTwin, used_brands: set[str], extra_allowed: bool
) -> Iterator[Difference]:
    """Categories all; brands those that products use."""
    ours, theirs = _bare(source), _bare(destination)
    for kind, singular in (("categories", "category"), ("brands", "brand")):
        for name, value in ours[kind].items():
            if kind == "brands" and name not in used_brands and name not in theirs[kind]:
                continue
            if name not in theirs[kind]:
                yield Difference(f"{singular} {name}", "", "there", None)
            else:
                yield from _unequal(f"{singular} {name}", "", value, theirs[kind][name])
        if not extra_allowed:
            for name in sorted(theirs[kind].keys() - ours[kind].keys()):
                yield Difference(f"{singular} {name}", "", None, "there")


def _bare(twin: BigCommerceTwin) -> dict[str, Any]:
    return store_state(twin.shop, products=False)


def _listed_availability(twin: BigCommerceTwin, channel_id: int, product_id: int) -> str:
    listing_id = twin.shop.listed.get((channel_id, product_id))
    if listing_id is None:
        return "disabled"
    return "available" if twin.shop.listings[channel_id][listing_id].state == "active" else "disabled"


def _without(state: Any, name: str) -> None:
    state.pop(name, None)
    for variant in state["variants"].values():
        variant.pop(name, None)


def _unequal(key: str, path: str, ours: Any, theirs: Any) -> Iterator[Difference]:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for name in sorted(ours.keys() | theirs.keys()):
            below = f"{path}/{name}" if path else name
            if name not in theirs:
                yield Difference(key, below, text_of(ours[name]), None)
            elif name not in ours:
                yield Difference(key, below, None, text_of(theirs[name]))
            else:
                yield from _unequal(key, below, ours[name], theirs[name])
    elif ours != theirs:
        yield Difference(key, path, text_of(ours), text_of(theirs))
