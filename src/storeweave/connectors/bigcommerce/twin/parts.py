"""Custom fields, bulk prices and videos of a product, inside its body and at their own endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin.checks import BULK_RULE, CUSTOM_FIELD, VIDEO, Check, checked
from storeweave.connectors.bigcommerce.twin.goods import BulkRule, CustomField, Entry, Video
from storeweave.connectors.bigcommerce.twin.render import one, paged
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, Refusal, encode


def with_custom_fields(shop: Shop, entry: Entry, bodies: Any) -> Entry:
    """Fields with an id are changed, others added; none is removed."""
    for body in _items(bodies, "custom_fields", 255):
        entry = CUSTOM_FIELDS.saved(shop, entry, body)[0]
    return entry


def with_rules(shop: Shop, entry: Entry, bodies: Any) -> Entry:
    """Rules with an id are changed, others added; none is removed."""
    for body in _items(bodies, "bulk_pricing_rules", 1000):
        entry = RULES.saved(shop, entry, body)[0]
    return entry


def with_videos(shop: Shop, entry: Entry, bodies: Any) -> Entry:
    """Videos with an id are changed, others added; none is removed."""
    for body in _items(bodies, "videos", 1000):
        entry = VIDEOS.saved(shop, entry, body)[0]
    return entry


class Parts:
    """One sort of part with its own endpoints."""

    def __init__(
        self,
        *,
        attribute: str,
        path: str,
        checks: Mapping[str, Check],
        required: tuple[str, ...],
        make: Callable[..., Any],
        names_product: bool = False,
        verify: Callable[[tuple[Any, ...], Any], None] | None = None,
    ) -> None:
        self.attribute = attribute
        self.path = path
        self._checks = checks
        self._required = required
        self._make = make
        self._names_product = names_product
        self._verify = verify

    def saved(self, shop: Shop, entry: Entry, body: Any, part_id: int | None = None) -> tuple[Entry, Any]:
        """The entry with one part changed (by id) or added."""
        parts: tuple[Any, ...] = getattr(entry, self.attribute)
        part_id = part_id if part_id is not None else (body.get("id") if isinstance(body, dict) else None)
        if part_id is None:
            fields = checked(self._checks, body, required=self._required)
            if self._names_product:
                fields["product_id"] = entry.product.id
            part = self._make(id=shop.next_id(self.attribute), **fields)
            self._check(parts, part)
            shop.note_creation(f"{self.attribute} of {entry.product.id}", repr(sorted(map(str, fields.items()))))
            return replace(entry, **{self.attribute: (*parts, part)}), part
        fields = checked(self._checks, body)
        for at, old in enumerate(parts):
            if old.id == part_id:
                part = replace(old, **fields)
                self._check((*parts[:at], *parts[at + 1 :]), part)
                return replace(entry, **{self.attribute: (*parts[:at], part, *parts[at + 1 :])}), part
        raise Refusal(404, "The resource was not found.")

    def _check(self, others: tuple[Any, ...], part: Any) -> None:
        if self._verify is not None:
            self._verify(others, part)

    def routes(self) -> list[Route]:
        many = f"/catalog/products/{{product_id}}/{self.path}"
        single = f"{many}/{{id}}"
        return [
            Route(method="GET", template=many, handler=self.all),
            Route(method="POST", template=many, handler=self.create),
            Route(method="GET", template=single, handler=self.get),
            Route(method="PUT", template=single, handler=self.update),
            Route(method="DELETE", template=single, handler=self.delete),
        ]

    def all(self, shop: Shop, call: Call, product_id: int) -> Answer:
        entry = shop.shown(product_id)
        if entry is None:
            raise Refusal(404, "The resource was not found.")
        return paged(call, getattr(entry, self.attribute))

    def get(self, shop: Shop, call: Call, product_id: int, part_id: int) -> Answer:
        del call
        return one(encode(self._find(shop.entry(product_id), part_id)))

    def create(self, shop: Shop, call: Call, product_id: int) -> Answer:
        body = call.json()
        if isinstance(body, dict):
            body.pop("id", None)
        entry, part = self.saved(shop, shop.entry(product_id), body)
        shop.put(entry, moves_date=shop.settings.parts_move_date)
        return one(encode(part))

    def update(self, shop: Shop, call: Call, product_id: int, part_id: int) -> Answer:
        entry, part = self.saved(shop, shop.entry(product_id), call.json(), part_id)
        shop.put(entry, moves_date=shop.settings.parts_move_date)
        return one(encode(part))

    def delete(self, shop: Shop, call: Call, product_id: int, part_id: int) -> Answer:
        del call
        entry = shop.entry(product_id)
        self._find(entry, part_id)
        left = tuple(part for part in getattr(entry, self.attribute) if part.id != part_id)
        shop.put(replace(entry, **{self.attribute: left}), moves_date=shop.settings.parts_move_date)
        return Answer(204)

    def _find(self, entry: Entry, part_id: int) -> Any:
        for part in getattr(entry, self.attribute):
            if part.id == part_id:
                return part
        raise Refusal(404, "The resource was not found.")


def _items(bodies: Any, name: str, most: int) -> list[Any]:
    if not isinstance(bodies, list) or len(bodies) > most:
        raise Refusal(422, "JSON data is missing or invalid", {name: f"{name} must be an array of at most {most}"})
    return bodies


def _no_overlap(others: tuple[BulkRule, ...], rule: BulkRule) -> None:
    """Rules must not claim the same quantity; 0 as the upper end means no end."""
    top = rule.quantity_max or 1 << 31
    if rule.quantity_min < 1 or top < rule.quantity_min:
        raise Refusal(422, "JSON data is missing or invalid", {"quantity_min": "the range of quantities is empty"})
    for other in others:
        if rule.quantity_min <= (other.quantity_max or 1 << 31) and other.quantity_min <= top:
            raise Refusal(409, "The bulk pricing rule is in conflict", {"bulk_pricing_rules": "quantities overlap"})


def _not_twice(others: tuple[CustomField, ...], field: CustomField) -> None:
    if any(other.name == field.name and other.value == field.value for other in others):
        raise Refusal(409, "The custom field is a duplicate", {"custom_fields": f"{field.name} is there already"})


CUSTOM_FIELDS = Parts(
    attribute="custom_fields",
    path="custom-fields",
    checks=CUSTOM_FIELD,
    required=("name", "value"),
    make=CustomField,
    verify=_not_twice,
)
RULES = Parts(
    attribute="bulk_pricing_rules",
    path="bulk-pricing-rules",
    checks=BULK_RULE,
    required=("quantity_min", "quantity_max", "type", "amount"),
    make=BulkRule,
    verify=_no_overlap,
)
VIDEOS = Parts(attribute="videos", path="videos", checks=VIDEO, required=("video_id",), make=Video, names_product=True)
ROUTES = [*CUSTOM_FIELDS.routes(), *RULES.routes(), *VIDEOS.routes()]
