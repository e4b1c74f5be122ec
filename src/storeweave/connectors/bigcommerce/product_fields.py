"""Which field of ours is which member of theirs, for products and variants, both ways. Pure; parts are in ``records``.

Canonical manners, so that a value read here and written there reads back equal:
- An unset price of a product is 0 at BigCommerce and None with us (``price`` itself may be 0). In a variant, null
  means "as the product" and stays None; its cost and MAP, where 0 and null mean the same, are None when 0.
- ``related_products`` is [-1] for "automatic"; that and an empty list are the empty set, which is written as [-1].
- The stock level of a product that tracks stock by variant is the sum of theirs; ``records`` leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import UNSET

from storeweave.connectors.bigcommerce.payloads import ProductData, VariantData
from storeweave.model.errors import RefusedError
from storeweave.model.money import canonical, rounded
from storeweave.model.records import Fields, Value

PLACES: Final = 4
AUTOMATIC_RELATED: Final = -1
Reader = Callable[[Any], Value]
Writer = Callable[[str, Any], Any]


def as_text(value: Any) -> Value:
    return value or ""


def as_flag(value: Any) -> Value:
    return bool(value)


def as_count(value: Any) -> Value:
    return value or 0


def as_exact(value: Any) -> Value:
    return Decimal(0) if value is None else value


def as_price(value: Any) -> Value:
    return value or None


def as_is(value: Any) -> Value:
    return value  # type: ignore[no-any-return]


def as_keys(value: Any) -> Value:
    return frozenset(map(str, value or ()))


def as_words(value: Any) -> Value:
    return frozenset(word for word in value or () if word)


def as_reference(value: Any) -> Value:
    return str(value) if value else None


def as_related(value: Any) -> Value:
    return frozenset(str(key) for key in value or () if key != AUTOMATIC_RELATED)


def as_instant(value: Any) -> Value:
    return instant_text(value) if value else None


def as_url(value: Any) -> Value:
    return (value.url or "") if value is not None else ""


def instant_text(text: str) -> str:
    """An instant of theirs as ISO 8601 in UTC; as given when it is not one."""
    at = instant(text)
    return at.isoformat().replace("+00:00", "Z") if at else text


def instant(text: str | None) -> datetime | None:
    """An instant of theirs; without an offset it is UTC. None when it is not one."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _text(_: str, value: Any) -> Any:
    return "" if value is None else str(value)


def _flag(_: str, value: Any) -> Any:
    return bool(value)


def _count(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | None):
        raise RefusedError(f"{name} must be a whole number, not {value!r}", code="invalid")
    return value or 0


def amount(name: str, value: Any) -> Any:
    """A price or measure as it leaves us: rounded half up to 4 places; 0 for none."""
    return 0 if value is None else _exact(name, value)


def amount_or_null(name: str, value: Any) -> Any:
    return None if value is None else _exact(name, value)


def _exact(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise RefusedError(f"{name} must be a number, not {value!r}", code="invalid")
    number = canonical(rounded(Decimal(value), places=PLACES))
    if number < 0:
        raise RefusedError(f"{name} is {number}; BigCommerce takes no negative numbers", code="invalid")
    return int(number) if number == number.to_integral_value() else number


def key_number(name: str, value: Any) -> int:
    """A key of theirs as the number it is."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise RefusedError(f"{name} refers to {value!r}, which is no BigCommerce id", code="missing-reference")


def _reference(name: str, value: Any) -> Any:
    return 0 if value is None else key_number(name, value)


def _keys(name: str, value: Any) -> Any:
    return sorted(key_number(name, key) for key in value or ())


def _related(name: str, value: Any) -> Any:
    return _keys(name, value) or [AUTOMATIC_RELATED]


def words(_: str, value: Any) -> Any:
    return sorted(value or ())


def _nullable(_: str, value: Any) -> Any:
    return value or None


def product_url(_: str, value: Any) -> Any:
    return {"url": value, "is_customized": True}


Row = tuple[str, str, Reader, Writer]  # our field, their member, how to read it, how to write it


def _same(names: str, read: Reader, write: Writer) -> list[Row]:
    return [(name, name, read, write) for name in names.split()]


PRODUCT_ROWS: Final[tuple[Row, ...]] = (
    *_same(
        "name type sku description product_tax_code inventory_tracking warranty bin_picking_number layout_file upc gtin"
        " mpn search_keywords availability availability_description gift_wrapping_options_type condition page_title"
        " meta_description preorder_message price_hidden_label open_graph_type open_graph_title open_graph_description",
        as_text,
        _text,
    ),
    *_same("weight width depth height price", as_exact, amount),
    *_same("cost_price retail_price sale_price map_price fixed_cost_shipping_price", as_price, amount),
    *_same(
        "is_free_shipping is_visible is_featured is_condition_shown is_preorder_only is_price_hidden"
        " open_graph_use_meta_description open_graph_use_product_name open_graph_use_image",
        as_flag,
        _flag,
    ),
    *_same(
        "sort_order order_quantity_minimum order_quantity_maximum inventory_level inventory_warning_level",
        as_count,
        _count,
    ),
    ("tax_class", "tax_class_id", as_count, _count),
    ("categories", "categories", as_keys, _keys),
    ("brand", "brand_id", as_reference, _reference),
    ("related", "related_products", as_related, _related),
    ("gift_wrapping_options", "gift_wrapping_options_list", as_keys, _keys),
    ("meta_keywords", "meta_keywords", as_words, words),
    ("preorder_release_at", "preorder_release_date", as_instant, _nullable),
    ("url_path", "custom_url", as_url, product_url),
)
VARIANT_ROWS: Final[tuple[Row, ...]] = (
    *_same("sku purchasing_disabled_message image_url upc gtin mpn bin_picking_number", as_text, _text),
    *_same("price sale_price retail_price weight width height depth fixed_cost_shipping_price", as_is, amount_or_null),
    *_same("cost_price map_price", as_price, amount),
    *_same("is_free_shipping purchasing_disabled", as_flag, _flag),
    *_same("inventory_level inventory_warning_level", as_count, _count),
)

_PRODUCT_WRITERS: Final = {ours: (theirs, write) for ours, theirs, _, write in PRODUCT_ROWS}
_VARIANT_WRITERS: Final = {ours: (theirs, write) for ours, theirs, _, write in VARIANT_ROWS}

MOST_CHARS: Final[Mapping[str, int]] = {
    "name": 250,
    "sku": 255,
    "product_tax_code": 255,
    "warranty": 65535,
    "bin_picking_number": 255,
    "layout_file": 500,
    "upc": 14,
    "gtin": 14,
    "search_keywords": 65535,
    "availability_description": 255,
    "page_title": 255,
    "meta_description": 65535,
    "preorder_message": 255,
    "price_hidden_label": 200,
    "url_path": 255,
    "purchasing_disabled_message": 255,
}


def read_rows(data: ProductData | VariantData, rows: Iterable[Row]) -> dict[str, Value]:
    """The fields that the answer had."""
    fields: dict[str, Value] = {}
    for ours, theirs, read, _ in rows:
        value = getattr(data, theirs)
        if value is not UNSET:
            fields[ours] = read(value)
    return fields


def product_body(fields: Fields) -> dict[str, Any]:
    """Our fields of a product as members of theirs; rows (custom fields and the like) are not among them.

    Raises RefusedError, before anything is sent, for what BigCommerce cannot hold.
    """
    if fields.get("name") == "":
        raise RefusedError("name is empty; BigCommerce needs one", code="invalid")
    return _body(fields, _PRODUCT_WRITERS, what="")


def variant_body(fields: Fields, *, what: str) -> dict[str, Any]:
    """Our fields of a variant, without its option values. ``what`` names it in refusals."""
    return _body(fields, _VARIANT_WRITERS, what=f"{what} ")


def _body(fields: Fields, writers: Mapping[str, tuple[str, Writer]], *, what: str) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for ours, value in fields.items():
        row = writers.get(ours)
        if row is None:
            continue
        refuse_long(f"{what}{ours}", value, MOST_CHARS.get(ours))
        if ours == "url_path" and not value:
            continue  # BigCommerce makes one from the name and cannot be told to have none
        theirs, write = row
        body[theirs] = write(f"{what}{ours}", value)
    return body


def refuse_long(name: str, value: Value, most: int | None) -> None:
    """Raises RefusedError for a text that BigCommerce cannot hold."""
    if most is not None and isinstance(value, str) and len(value) > most:
        raise RefusedError(
            f"{name} has {len(value)} characters and BigCommerce holds {most}; shorten it at the source",
            code="too-long",
        )
