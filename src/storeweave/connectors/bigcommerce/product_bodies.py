"""The bodies of product calls, made from Changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from storeweave.connectors.bigcommerce.product_fields import amount, product_body, variant_body
from storeweave.model.errors import RefusedError
from storeweave.model.records import Change, Fields, PartsChange

_EXACT: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(float_hook=Decimal)
NO_PARTS: Final = PartsChange()


def parts_of(change: Change, collection: str) -> PartsChange:
    """What is to be done with a collection; nothing when the change doesn't name it."""
    return change.parts.get(collection, NO_PARTS)


def wanted_parts(change: Change, collection: str) -> Mapping[str, Fields]:
    """A collection as it should be in the end."""
    if change.wanted is not None and collection in change.wanted.parts:
        return change.wanted.parts[collection]
    before = change.theirs.parts.get(collection, {}) if change.theirs is not None else {}
    parts = parts_of(change, collection)
    kept = {key: {**fields, **parts.update.get(key, {})} for key, fields in before.items() if key not in parts.delete}
    return {**kept, **parts.create}


def their_parts(change: Change, collection: str) -> Mapping[str, Fields]:
    """A collection as it was last known at the destination."""
    return change.theirs.parts.get(collection, {}) if change.theirs is not None else {}


def order(fields: Fields) -> int:
    """A part's place among its siblings."""
    value = fields.get("sort_order")
    return value if isinstance(value, int) else 0


def json_data(text: object) -> Any:
    """A carried structure as JSON data; None when there is none."""
    return _EXACT.decode(text) if isinstance(text, str) and text else None


def ordered_values(change: Change, option: str) -> list[tuple[str, Fields]]:
    """The wanted values of one option in their order."""
    values = [
        (key, fields) for key, fields in wanted_parts(change, "option_values").items() if fields.get("option") == option
    ]
    return sorted(values, key=lambda item: (order(item[1]), str(item[1].get("label"))))


def ordered_options(change: Change) -> list[tuple[str, Fields]]:
    """The wanted options in their order."""
    return sorted(wanted_parts(change, "options").items(), key=lambda item: (order(item[1]), str(item[1].get("name"))))


def value_body(fields: Fields, *, is_swatch: bool = False) -> dict[str, Any]:
    """An option value. Swatches have no default, so it is left out for them."""
    body: dict[str, Any] = {"label": fields.get("label") or "", "sort_order": order(fields)}
    if not is_swatch and "is_default" in fields:
        body["is_default"] = bool(fields["is_default"])
    data = json_data(fields.get("value_data"))
    if data is not None:
        body["value_data"] = data
    return body


def option_body(fields: Fields) -> dict[str, Any]:
    """An option without its values."""
    body: dict[str, Any] = {}
    if "name" in fields:
        body["display_name"] = fields["name"]
    if fields.get("type"):
        body["type"] = fields["type"]
    if "sort_order" in fields:
        body["sort_order"] = order(fields)
    if fields.get("config"):
        body["config"] = json_data(fields["config"])
    return body


def image_body(fields: Fields, *, with_url: bool) -> dict[str, Any]:
    """An image; its address only when it is new."""
    body: dict[str, Any] = {}
    if with_url:
        body["image_url"] = fields["url"]
    if "description" in fields:
        body["description"] = fields["description"] or ""
    if "sort_order" in fields:
        body["sort_order"] = order(fields)
    if "is_thumbnail" in fields:
        body["is_thumbnail"] = bool(fields["is_thumbnail"])
    return body


def create_body(change: Change, *, with_images: bool) -> dict[str, Any]:
    """A whole new product in one body: with variants (whose names and labels make the options), images and rows."""
    body: dict[str, Any] = {"type": "physical", "weight": 0, **product_body(change.fields)}
    if body.get("related_products") == [-1]:
        del body["related_products"]  # it is so by itself
    fields = change.fields
    if fields.get("custom_fields"):
        body["custom_fields"] = [custom_field_body(row) for row in sorted_rows(fields["custom_fields"])]
    if fields.get("bulk_pricing"):
        body["bulk_pricing_rules"] = [bulk_rule_body(row) for row in sorted_rows(fields["bulk_pricing"])]
    if fields.get("videos"):
        body["videos"] = [video_body(row) for row in sorted_rows(fields["videos"])]
    variants = new_variants(change)
    if variants:
        body["variants"] = [entry for _, entry in variants]
    images = new_images(change)
    if images and with_images:
        body["images"] = [image_body(fields, with_url=True) for _, fields in images]
    return body


def new_images(change: Change) -> list[tuple[str, Fields]]:
    """Images to be created, in their order."""
    return sorted(parts_of(change, "images").create.items(), key=lambda item: (order(item[1]), item[0]))


def new_variants(change: Change) -> list[tuple[str, dict[str, Any]]]:
    """Variants for the body of a new product, in the order of their options and values.

    BigCommerce numbers options and values as it first meets them, so this order spares corrections.
    """
    options = {key: (at, fields) for at, (key, fields) in enumerate(ordered_options(change))}
    values: dict[str, tuple[int, int, Fields, Fields]] = {}
    for option, (at, option_fields) in options.items():
        for place, (key, fields) in enumerate(ordered_values(change, option)):
            values[key] = (at, place, option_fields, fields)
    rows: list[tuple[list[tuple[int, int]], str, dict[str, Any]]] = []
    for key, fields in parts_of(change, "variants").create.items():
        keys: Any = fields.get("option_values") or frozenset()
        if not keys:
            continue  # the base variant is there by itself
        unknown = [value for value in keys if value not in values]
        if unknown:
            raise RefusedError(
                f"variant {fields.get('sku')!r} has an option value that its product lacks", code="invalid"
            )
        chosen = sorted((values[value] for value in keys), key=lambda item: item[0])
        body = {"sku": "", **variant_body(_without_nulls(fields), what=f"variant {fields.get('sku')!r}")}
        body["option_values"] = [
            {"option_display_name": option.get("name"), "label": value.get("label")} for _, _, option, value in chosen
        ]
        rows.append(([(at, place) for at, place, _, _ in chosen], key, body))
    rows.sort(key=lambda row: (row[0], row[1]))
    return [(key, body) for _, key, body in rows]


def _without_nulls(fields: Fields) -> dict[str, Any]:
    """A new variant inherits what is not said."""
    return {name: value for name, value in fields.items() if value is not None and (value or name != "image_url")}


def variant_row(fields: Fields, *, is_new: bool) -> dict[str, Any]:
    """A variant for the batch of variants, without its id and option values."""
    told = _without_nulls(fields) if is_new else fields
    return variant_body(told, what=f"variant {fields.get('sku') or ''}".strip())


def sorted_rows(rows: object) -> list[tuple[str, ...]]:
    """Rows without identity in an order that is the same every time."""
    return sorted(rows) if isinstance(rows, frozenset) else []


def custom_field_body(row: tuple[str, ...]) -> dict[str, Any]:
    name, value = row
    return {"name": name, "value": value}


def bulk_rule_body(row: tuple[str, ...]) -> dict[str, Any]:
    lowest, highest, kind, text = row
    return {
        "quantity_min": int(lowest),
        "quantity_max": int(highest),
        "type": kind,
        "amount": amount("bulk_pricing", Decimal(text)),
    }


def video_body(row: tuple[str, ...]) -> dict[str, Any]:
    kind, video_id, title, description, sort_order = row
    return {
        "type": kind,
        "video_id": video_id,
        "title": title,
        "description": description,
        "sort_order": int(sort_order),
    }
