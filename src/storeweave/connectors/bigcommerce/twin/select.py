"""Which products a listing shows: the vendor's filters on what readers see, with an index wherever there is one."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from storeweave.connectors.bigcommerce.twin.goods import Entry
from storeweave.connectors.bigcommerce.twin.render import numbers, whole
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.twinkit.wire import Refusal

Test = Callable[[Entry], bool]
Query = dict[str, str]

SORTS = frozenset(
    {
        "id",
        "name",
        "sku",
        "price",
        "date_modified",
        "date_last_imported",
        "inventory_level",
        "is_visible",
        "total_sold",
        "calculated_price",
    }
)


def select(shop: Shop, query: Query) -> list[int]:
    """Ids of the products that match, in the order asked for (by id if not asked)."""
    late = shop.lag.late_keys(shop.mono())
    found, answered = _candidates(shop, query)
    if late:  # an index knows the newest state only
        found = sorted({*found, *late})
        answered = frozenset()
    tests = [FILTERS[name](query, name) for name in query if name in FILTERS and name not in answered]
    if late or tests:
        shown = ((product_id, shop.shown(product_id)) for product_id in found)
        found = [product_id for product_id, entry in shown if entry and all(test(entry) for test in tests)]
    return _ordered(shop, query, found)


def is_filtered(query: Query) -> bool:
    """Whether any filter of the listing is in force."""
    return any(name in FILTERS for name in query)


def _candidates(shop: Shop, query: Query) -> tuple[list[int], frozenset[str]]:
    """The fewest ids that an index can name, and the filters that it has answered thereby."""
    for name in ("id:in", "id"):
        if name in query:
            wanted = numbers(query, name) or []
            return sorted({number for number in wanted if number in shop.entries}), frozenset({name})
    for name in ("sku:in", "sku"):
        if name in query:
            skus = query[name].split(",") if name == "sku:in" else [query[name]]
            owners = (shop.skus.get(sku.strip().lower()) for sku in skus)
            return sorted({owner[0] for owner in owners if owner is not None and owner[1] == 0}), frozenset({name})
    if "name" in query:
        held = shop.names.get(query["name"].strip().lower())
        return ([] if held is None else [held]), frozenset({"name"})
    if "date_modified:min" in query:
        return _modified_since(shop, stamp_of(query, "date_modified:min")), frozenset({"date_modified:min"})
    low = max(whole(query, "id:greater", -1) + 1, whole(query, "id:min", 0))
    start = bisect.bisect_left(shop.order, low) if low else 0
    return (shop.order[start:] if start else shop.order), frozenset({"id:greater", "id:min"})


def _modified_since(shop: Shop, since: str) -> list[int]:
    found = []
    for product_id in reversed(shop.modified):
        if shop.entries[product_id].product.date_modified < since:
            break
        found.append(product_id)
    return sorted(found)


def _ordered(shop: Shop, query: Query, found: list[int]) -> list[int]:
    sort = query.get("sort", "id")
    if sort not in SORTS:
        raise Refusal(422, "JSON data is missing or invalid", {"sort": f"cannot sort by {sort}"})
    downwards = query.get("direction") == "desc"
    if sort == "id":
        return found[::-1] if downwards else found

    def rank(product_id: int) -> Any:
        entry = shop.shown(product_id)
        return getattr(entry.product, sort) if entry is not None else ""

    return sorted(found, key=rank, reverse=downwards)


def stamp_of(query: Mapping[str, str], name: str) -> str:
    """A date of a query in the form in which stamps are kept. Raises Refusal 422."""
    text = query[name].replace(" ", "+")
    try:
        at = datetime.fromtimestamp(int(text), UTC) if text.isdecimal() else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise Refusal(422, "JSON data is missing or invalid", {name: f"{name} is not a date"}) from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _number(field: str, compare: Callable[[Any, Any], bool]) -> Callable[[Query, str], Test]:
    def make(query: Query, name: str) -> Test:
        try:
            wanted = Decimal(query[name])
        except InvalidOperation:
            raise Refusal(422, "JSON data is missing or invalid", {name: f"{name} must be a number"}) from None
        return lambda entry: compare(getattr(entry.product, field), wanted)

    return make


def _among(field: str, *, inverted: bool = False) -> Callable[[Query, str], Test]:
    def make(query: Query, name: str) -> Test:
        wanted = frozenset(numbers(query, name) or [])
        return lambda entry: (getattr(entry.product, field) in wanted) != inverted

    return make


def _words(field: str) -> Callable[[Query, str], Test]:
    def make(query: Query, name: str) -> Test:
        wanted = query[name].strip().lower()
        return lambda entry: getattr(entry.product, field).lower() == wanted

    return make


def _skus(query: Query, name: str) -> Test:
    skus = query[name].split(",") if name == "sku:in" else [query[name]]
    wanted = frozenset(sku.strip().lower() for sku in skus)
    return lambda entry: entry.product.sku.lower() in wanted


def _in_categories(query: Query, name: str) -> Test:
    wanted = frozenset(numbers(query, name) or [])
    return lambda entry: not wanted.isdisjoint(entry.product.categories)


def _on_channels(query: Query, name: str) -> Test:
    wanted = frozenset(numbers(query, name) or [])
    return lambda entry: not wanted.isdisjoint(entry.channels)


def _truth(field: str) -> Callable[[Query, str], Test]:
    def make(query: Query, name: str) -> Test:
        wanted = query[name].lower() in {"1", "true"}
        return lambda entry: getattr(entry.product, field) is wanted

    return make


def _date(field: str, *, earliest: bool) -> Callable[[Query, str], Test]:
    def make(query: Query, name: str) -> Test:
        limit = stamp_of(query, name)
        if earliest:
            return lambda entry: getattr(entry.product, field) >= limit
        return lambda entry: getattr(entry.product, field) <= limit

    return make


def _keyword(query: Query, name: str) -> Test:
    wanted = query[name].lower()
    return lambda entry: wanted in entry.product.name.lower() or wanted in entry.product.sku.lower()


def _same(ours: Any, theirs: Any) -> bool:
    return bool(ours == theirs)


def _ranges(field: str) -> Iterable[tuple[str, Callable[[Query, str], Test]]]:
    yield f"{field}:min", _number(field, lambda ours, theirs: bool(ours >= theirs))
    yield f"{field}:max", _number(field, lambda ours, theirs: bool(ours <= theirs))
    yield f"{field}:greater", _number(field, lambda ours, theirs: bool(ours > theirs))
    yield f"{field}:less", _number(field, lambda ours, theirs: bool(ours < theirs))


FILTERS: Mapping[str, Callable[[Query, str], Test]] = {
    "id": _among("id"),
    "id:in": _among("id"),
    "id:not_in": _among("id", inverted=True),
    **dict(_ranges("id")),
    "sku": _skus,
    "sku:in": _skus,
    "name": _words("name"),
    "mpn": _words("mpn"),
    "upc": _words("upc"),
    "price": _number("price", _same),
    "weight": _number("weight", _same),
    "total_sold": _number("total_sold", _same),
    "condition": _words("condition"),
    "type": _words("type"),
    "availability": _words("availability"),
    "brand_id": _among("brand_id"),
    "categories": _in_categories,
    "categories:in": _in_categories,
    "channel_id:in": _on_channels,
    "is_visible": _truth("is_visible"),
    "is_featured": _truth("is_featured"),
    "is_free_shipping": _truth("is_free_shipping"),
    "inventory_level": _number("inventory_level", _same),
    "inventory_level:in": _among("inventory_level"),
    "inventory_level:not_in": _among("inventory_level", inverted=True),
    **dict(_ranges("inventory_level")),
    "date_modified:min": _date("date_modified", earliest=True),
    "date_modified:max": _date("date_modified", earliest=False),
    "date_last_imported:min": _date("date_last_imported", earliest=True),
    "date_last_imported:max": _date("date_last_imported", earliest=False),
    "keyword": _keyword,
}
