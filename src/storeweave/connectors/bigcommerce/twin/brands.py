"""Brands: one at a time, unique by name."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin import render
from storeweave.connectors.bigcommerce.twin.checks import BRAND, checked
from storeweave.connectors.bigcommerce.twin.compose import slug
from storeweave.connectors.bigcommerce.twin.goods import Brand, CustomUrl
from storeweave.connectors.bigcommerce.twin.render import one
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, Refusal, encode


def list_brands(shop: Shop, call: Call) -> Answer:
    query = call.query
    found = list(shop.brands.values())
    wanted = render.numbers(query, "id:in" if "id:in" in query else "id")
    if wanted is not None:
        found = [shop.brands[number] for number in dict.fromkeys(wanted) if number in shop.brands]
    if "id:greater" in query:
        found = [brand for brand in found if brand.id > render.whole(query, "id:greater", 0)]
    if "id:min" in query:
        found = [brand for brand in found if brand.id >= render.whole(query, "id:min", 0)]
    if "name" in query:
        found = [brand for brand in found if brand.name.lower() == query["name"].strip().lower()]
    if "name:like" in query:
        part = query["name:like"].lower().strip("%")
        found = [brand for brand in found if part in brand.name.lower()]
    if query.get("sort") == "name":
        found.sort(key=lambda brand: brand.name, reverse=query.get("direction") == "desc")
    fields = render.chosen_fields(call, Brand.__struct_fields__)
    if fields is None:
        return render.paged(call, found)
    return render.paged(call, [{name: getattr(brand, name) for name in fields} for brand in found])


def get_brand(shop: Shop, call: Call, brand_id: int) -> Answer:
    del call
    return one(encode(_find(shop, brand_id)))


def create_brand(shop: Shop, call: Call) -> Answer:
    fields = checked(BRAND, call.json(), required=("name",))
    if len(shop.brands) >= shop.settings.max_brands:
        raise Refusal(422, "The store has its 30,000 brands", {"": "too many brands"})
    fields.setdefault("custom_url", CustomUrl(f"/{slug(fields['name'])}/"))
    brand = _unique(shop, Brand(id=shop.next_id("brand"), **fields))
    shop.put_brand(brand)
    shop.note_creation("brand", brand.name)
    return one(encode(brand))


def update_brand(shop: Shop, call: Call, brand_id: int) -> Answer:
    """No webhook tells of it, not even for the products of the brand."""
    fields: dict[str, Any] = checked(BRAND, call.json())
    brand = _unique(shop, replace(_find(shop, brand_id), **fields))
    shop.put_brand(brand)
    return one(encode(brand))


def delete_brand(shop: Shop, call: Call, brand_id: int) -> Answer:
    del call
    _drop(shop, brand_id)
    return Answer(204)


def delete_brands(shop: Shop, call: Call) -> Answer:
    """By filter; without one it is refused."""
    wanted = render.numbers(call.query, "id:in")
    if wanted is None and "name" in call.query:
        wanted = [number for name, number in shop.brand_names.items() if name == call.query["name"].lower()]
    if wanted is None:
        raise Refusal(422, "At least one filter must be given", {"": "a filter must be supplied"})
    for number in wanted:
        if number in shop.brands:
            _drop(shop, number)
    return Answer(204)


def _drop(shop: Shop, brand_id: int) -> None:
    brand = _find(shop, brand_id)
    del shop.brands[brand_id]
    shop.brand_names.pop(brand.name.lower(), None)
    for entry in [entry for entry in shop.entries.values() if entry.product.brand_id == brand_id]:
        shop.put(replace(entry, product=replace(entry.product, brand_id=0)))


def _find(shop: Shop, brand_id: int) -> Brand:
    brand = shop.brands.get(brand_id)
    if brand is None:
        raise Refusal(404, "The resource was not found.")
    return brand


def _unique(shop: Shop, brand: Brand) -> Brand:
    if shop.brand_names.get(brand.name.lower(), brand.id) != brand.id:
        raise Refusal(409, "The brand name is a duplicate", {"name": "The brand name is a duplicate"})
    return brand


ROUTES = [
    Route(method="GET", template="/catalog/brands", handler=list_brands),
    Route(method="POST", template="/catalog/brands", handler=create_brand),
    Route(method="DELETE", template="/catalog/brands", handler=delete_brands),
    Route(method="GET", template="/catalog/brands/{brand_id}", handler=get_brand),
    Route(method="PUT", template="/catalog/brands/{brand_id}", handler=update_brand),
    Route(method="DELETE", template="/catalog/brands/{brand_id}", handler=delete_brand),
]
