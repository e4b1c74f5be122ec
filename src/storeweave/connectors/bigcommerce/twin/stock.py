"""Inventory: asynchronous adjustments, levels by location, locations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin import render
from storeweave.connectors.bigcommerce.twin.checks import MOST_PIECES
from storeweave.connectors.bigcommerce.twin.goods import Entry, Variant
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.connectors.bigcommerce.twin.variants import announce_stock, find
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

BATCH = 2000
DEFAULT_LOCATION = 1


def put_absolute(shop: Shop, call: Call) -> Answer:
    """Levels are set, each after a lag; the answer has only the transaction."""
    return _accepted(shop, call, relative=False)


def post_relative(shop: Shop, call: Call) -> Answer:
    return _accepted(shop, call, relative=True)


def _accepted(shop: Shop, call: Call, *, relative: bool) -> Answer:
    body = call.json()
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list) or not items:
        raise Refusal(422, "items is required", {"items": "required"})
    if len(items) > BATCH:
        raise Refusal(422, f"At most {BATCH} items", {"items": "too many"})
    effects = [_effect(shop, item, relative=relative) for item in items]
    lag_s = shop.settings.stock_lag_s
    for effect in effects:
        if lag_s > 0:
            shop.landings.add(shop.mono() + lag_s * shop.rng.random(), effect)
        else:
            effect()
    return Answer(200, encode({"transaction_id": f"{shop.rng.getrandbits(128):032x}"}))


def _effect(shop: Shop, item: Any, *, relative: bool) -> Callable[[], None]:
    """The checked adjustment, ready to take effect. Raises Refusal 422."""
    quantity, location = item.get("quantity"), item.get("location_id")
    if not isinstance(quantity, int) or location not in shop.locations:
        raise Refusal(422, "Incorrect entity", {"quantity": "quantity and a known location_id are required"})
    entry, variant = _identified(shop, item)
    current = level_at(shop, variant, location)
    wanted = current + quantity if relative else quantity
    if not 0 <= wanted <= MOST_PIECES:
        raise Refusal(422, f"Item with variant_id {variant.id}: quantity is out of range", {})
    product_id, variant_id = entry.product.id, variant.id

    def take_effect() -> None:
        now = shop.entries.get(product_id)
        if now is not None and any(each.id == variant_id for each in now.variants):
            level = level_at(shop, find(now, variant_id), location) + quantity if relative else quantity
            set_level(shop, now, variant_id, location, min(max(level, 0), MOST_PIECES))

    return take_effect


def _identified(shop: Shop, item: dict[str, Any]) -> tuple[Entry, Variant]:
    if "variant_id" in item:
        owner = shop.variants.get(item["variant_id"])
        entry = shop.entries.get(owner) if owner is not None else None
        if entry is not None and entry.has_choices and entry.product.inventory_tracking == "product":
            text = (
                f"[Item with variant_id {item['variant_id']} is tracked by product, please update stock by product id]"
            )
            raise Refusal(422, text, {})
        variant = find(entry, item["variant_id"]) if entry is not None else None
    elif "product_id" in item:
        entry = shop.entries.get(item["product_id"])
        if entry is not None and entry.has_choices and entry.product.inventory_tracking != "product":
            text = (
                f"[Item with product_id {item['product_id']} is tracked by variant, please update stock by variant id]"
            )
            raise Refusal(422, text, {})
        variant = entry.variants[0] if entry is not None else None
    else:
        owner_pair = shop.skus.get(str(item.get("sku", "")).lower())
        entry = shop.entries.get(owner_pair[0]) if owner_pair is not None else None
        variant = None
        if entry is not None and owner_pair is not None:
            variant = find(entry, owner_pair[1]) if owner_pair[1] else entry.variants[0]
    if entry is None or variant is None:
        raise Refusal(422, "Item was not found", {"item": str(item)})
    return entry, variant


def level_at(shop: Shop, variant: Variant, location: int) -> int:
    """Pieces at a location; the catalogue's level is the default location's."""
    return variant.inventory_level if location == DEFAULT_LOCATION else shop.stock.get((location, variant.id), 0)


def set_level(shop: Shop, entry: Entry, variant_id: int, location: int, level: int, *, by_order: bool = False) -> None:
    """Set a level and announce it. ``by_order``: the event is an order's and carries the difference."""
    if location != DEFAULT_LOCATION:
        shop.stock[location, variant_id] = level
        shop.announcer.stock_changed(entry.product.id, variant_id, location)
        return
    before = find(entry, variant_id)
    if entry.has_choices and entry.product.inventory_tracking != "product":
        after = replace(before, inventory_level=level)
        variants = tuple(after if old.id == variant_id else old for old in entry.variants)
        entry = replace(entry, variants=variants)
    else:
        entry = replace(entry, product=replace(entry.product, inventory_level=level))
        if entry.has_choices:
            before = replace(before, inventory_level=shop.entry(entry.product.id).product.inventory_level)
        after = replace(before, inventory_level=level)
    shop.put(entry, moves_date=False)
    if after.inventory_level != before.inventory_level:
        change = after.inventory_level - before.inventory_level
        announce_stock(shop, entry, after, by_order=change if by_order else None)


def list_items(shop: Shop, call: Call) -> Answer:
    """Levels of all variants, by location."""
    query = call.query
    skus = {sku.lower() for sku in query["sku:in"].split(",")} if "sku:in" in query else None
    variants, products = render.numbers(query, "variant_id:in"), render.numbers(query, "product_id:in")
    places = render.numbers(query, "location_id:in")
    if products is not None:
        owners = [number for number in products if number in shop.entries]
    elif variants is not None:
        owners = sorted({shop.variants[number] for number in variants if number in shop.variants})
    elif skus is not None:
        owners = sorted({shop.skus[sku][0] for sku in skus if sku in shop.skus})
    else:
        owners = shop.order
    found = [
        (entry, variant)
        for entry in (shop.entries[number] for number in owners)
        for variant in entry.variants
        if (variants is None or variant.id in variants) and (skus is None or variant.sku.lower() in skus)
    ]
    page, limit = render.page_of(call, most=1000)
    chosen = found[(page - 1) * limit : page * limit]
    return render.listed(
        [encode(_item(shop, entry, variant, places)) for entry, variant in chosen],
        total=len(found),
        count=len(chosen),
        page=page,
        limit=limit,
        query=call.query_string,
    )


def _item(shop: Shop, entry: Entry, variant: Variant, places: list[int] | None) -> dict[str, Any]:
    return {
        "identity": {
            "sku": variant.sku,
            "variant_id": variant.id,
            "product_id": entry.product.id,
            "sku_id": variant.sku_id or 0,
        },
        "locations": [
            {
                "location_id": location.id,
                "location_code": location.code,
                "location_name": location.label,
                "available_to_sell": level_at(shop, variant, location.id),
                "total_inventory_onhand": level_at(shop, variant, location.id),
                "location_enabled": location.enabled,
                "settings": {"safety_stock": 0, "is_in_stock": level_at(shop, variant, location.id) > 0},
            }
            for location in shop.locations.values()
            if places is None or location.id in places
        ],
    }


def list_locations(shop: Shop, call: Call) -> Answer:
    wanted = render.numbers(call.query, "location_id:in")
    return render.paged(call, [place for place in shop.locations.values() if wanted is None or place.id in wanted])


ROUTES = [
    Route(method="PUT", template="/inventory/adjustments/absolute", handler=put_absolute, gate="stock"),
    Route(method="POST", template="/inventory/adjustments/relative", handler=post_relative, gate="stock"),
    Route(method="GET", template="/inventory/items", handler=list_items),
    Route(method="GET", template="/inventory/locations", handler=list_locations, gate="locations"),
]
