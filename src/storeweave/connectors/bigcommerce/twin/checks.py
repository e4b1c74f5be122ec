"""Which fields the API accepts and what it makes of their values: types, limits, trimming, rounding.

Each table maps a field to a check: it returns the value as the store keeps it, or raises Unfit with the sentence
that the 422 shows. Limits are from the vendor's OpenAPI files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from storeweave.connectors.bigcommerce.twin.goods import CustomUrl
from storeweave.twinkit.wire import Number, Refusal, encode, rounded

Check = Callable[[Any], Any]
MOST_PIECES = 2_147_483_647


class Unfit(Exception):  # noqa: N818  becomes a sentence in an answer
    """A value that a field does not take, and why."""


def text(most: int, least: int = 0, *, strip: bool = False) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Unfit("must be a string")
        if strip:
            value = value.strip()
        if not least <= len(value) <= most:
            raise Unfit(f"must be {least} to {most} characters long")
        return str(value)

    return check


def number(lowest: int | None = 0, most: int | None = None, places: int = 4) -> Check:
    def check(value: Any) -> Number:
        if isinstance(value, str):
            try:
                value = Decimal(value)
            except ArithmeticError:
                raise Unfit("must be a number") from None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise Unfit("must be a number")
        if (lowest is not None and value < lowest) or (most is not None and value > most):
            raise Unfit("is out of range")
        return value if isinstance(value, int) else rounded(value, places)

    return check


def whole(lowest: int, most: int) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit("must be a whole number")
        if not lowest <= value <= most:
            raise Unfit(f"must be from {lowest} to {most}")
        return value

    return check


def flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in {0, 1}:
        return bool(value)
    raise Unfit("must be a boolean")


def choice(*choices: str) -> Check:
    def check(value: Any) -> str:
        if value not in choices:
            raise Unfit(f"must be one of {', '.join(choices)}")
        return str(value)

    return check


def ids(most: int, lowest: int = 0) -> Check:
    one = whole(lowest, MOST_PIECES)

    def check(value: Any) -> tuple[int, ...]:
        if not isinstance(value, list):
            raise Unfit("must be an array")
        if len(value) > most:
            raise Unfit(f"must have at most {most} items")
        return tuple(dict.fromkeys(one(item) for item in value))

    return check


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Unfit("must be an array of strings")
    return tuple(value)


def nullable(inner: Check) -> Check:
    def check(value: Any) -> Any:
        return None if value is None else inner(value)

    return check


def custom_url(value: Any) -> CustomUrl:
    if not isinstance(value, dict):
        raise Unfit("must be an object")
    url = value.get("url", value.get("path", ""))
    if not isinstance(url, str) or len(url) > 255:
        raise Unfit("url must be a string of at most 255 characters")
    if url:
        url = "/" + url.strip("/") + "/" if url.strip("/") else "/"
    return CustomUrl(url, bool(value.get("is_customized", bool(url))))


def raw_json(value: Any) -> msgspec.Raw:
    return msgspec.Raw(encode(value))


def level(value: Any) -> int:
    """A stock level written through the catalogue: above the limit it is cut off in silence."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unfit("must be a whole number")
    if value < 0:
        raise Unfit("must not be negative")
    return min(value, MOST_PIECES)


SIZE = number(0, 9_999_999_999)
PRICE = number(0)
NULLABLE_PRICE = nullable(PRICE)

PRODUCT: Mapping[str, Check] = {
    "name": text(250, 1, strip=True),
    "type": choice("physical", "digital"),
    "sku": text(255, strip=True),
    "description": text(10_000_000),
    "weight": SIZE,
    "width": SIZE,
    "depth": SIZE,
    "height": SIZE,
    "price": PRICE,
    "cost_price": PRICE,
    "retail_price": PRICE,
    "sale_price": PRICE,
    "map_price": PRICE,
    "tax_class_id": whole(0, 255),
    "product_tax_code": text(255),
    "categories": ids(1000),
    "brand_id": whole(0, 1_000_000_000),
    "inventory_level": level,
    "inventory_warning_level": level,
    "inventory_tracking": choice("none", "product", "variant"),
    "fixed_cost_shipping_price": PRICE,
    "is_free_shipping": flag,
    "is_visible": flag,
    "is_featured": flag,
    "related_products": ids(1000, -1),
    "warranty": text(65535),
    "bin_picking_number": text(255),
    "layout_file": text(500),
    "upc": text(14),
    "search_keywords": text(65535),
    "availability_description": text(255),
    "availability": choice("available", "disabled", "preorder"),
    "gift_wrapping_options_type": choice("any", "none", "list"),
    "gift_wrapping_options_list": ids(1000),
    "sort_order": whole(-2_147_483_648, 2_147_483_647),
    "condition": choice("New", "Used", "Refurbished"),
    "is_condition_shown": flag,
    "order_quantity_minimum": whole(0, 1_000_000_000),
    "order_quantity_maximum": whole(0, 1_000_000_000),
    "page_title": text(255),
    "meta_keywords": texts,
    "meta_description": text(65535),
    "view_count": whole(0, 1_000_000_000),
    "preorder_release_date": nullable(text(40)),
    "preorder_message": text(255),
    "is_preorder_only": flag,
    "is_price_hidden": flag,
    "price_hidden_label": text(200),
    "custom_url": custom_url,
    "open_graph_type": choice("product", "album", "book", "drink", "food", "game", "movie", "song", "tv_show"),
    "open_graph_title": text(65535),
    "open_graph_description": text(65535),
    "open_graph_use_meta_description": flag,
    "open_graph_use_product_name": flag,
    "open_graph_use_image": flag,
    "gtin": text(14),
    "mpn": text(255),
    "date_last_imported": text(40),
    "reviews_rating_sum": whole(0, 1_000_000_000),
    "reviews_count": whole(0, 1_000_000_000),
    "total_sold": whole(0, 1_000_000_000),
}

VARIANT: Mapping[str, Check] = {
    "sku": text(255, strip=True),
    "price": NULLABLE_PRICE,
    "sale_price": NULLABLE_PRICE,
    "retail_price": NULLABLE_PRICE,
    "map_price": NULLABLE_PRICE,
    "cost_price": NULLABLE_PRICE,
    "weight": NULLABLE_PRICE,
    "width": NULLABLE_PRICE,
    "height": NULLABLE_PRICE,
    "depth": NULLABLE_PRICE,
    "is_free_shipping": flag,
    "fixed_cost_shipping_price": NULLABLE_PRICE,
    "purchasing_disabled": flag,
    "purchasing_disabled_message": text(255),
    "upc": lambda value: text(14)(value or ""),
    "mpn": lambda value: text(255)(value or ""),
    "gtin": lambda value: text(14)(value or ""),
    "inventory_level": lambda value: level(value or 0),
    "inventory_warning_level": lambda value: level(value or 0),
    "bin_picking_number": lambda value: text(255)(value or ""),
}

CATEGORY: Mapping[str, Check] = {
    "name": text(50, 1, strip=True),
    "parent_id": whole(0, MOST_PIECES),
    "tree_id": whole(1, MOST_PIECES),
    "description": text(65535),
    "views": whole(0, MOST_PIECES),
    "sort_order": whole(-2_147_483_648, 2_147_483_647),
    "page_title": text(255),
    "meta_keywords": texts,
    "meta_description": text(65535),
    "layout_file": text(50),
    "image_url": text(255),
    "is_visible": flag,
    "search_keywords": text(255),
    "default_product_sort": choice(
        "use_store_settings",
        "featured",
        "newest",
        "best_selling",
        "alpha_asc",
        "alpha_desc",
        "avg_customer_review",
        "price_asc",
        "price_desc",
    ),
    "url": custom_url,
}

BRAND: Mapping[str, Check] = {
    "name": text(255, 1, strip=True),
    "page_title": text(255),
    "meta_keywords": texts,
    "meta_description": text(65535),
    "search_keywords": text(65535),
    "image_url": text(255),
    "custom_url": custom_url,
}

IMAGE: Mapping[str, Check] = {
    "is_thumbnail": flag,
    "sort_order": whole(-2_147_483_648, 2_147_483_647),
    "description": text(65535),
}

OPTION: Mapping[str, Check] = {
    "display_name": text(255, 1),
    "type": choice("radio_buttons", "rectangles", "dropdown", "product_list", "product_list_with_images", "swatch"),
    "sort_order": whole(-2_147_483_648, 2_147_483_647),
    "config": raw_json,
}

MODIFIER: Mapping[str, Check] = {
    "display_name": text(255, 1),
    "type": choice(
        "date",
        "checkbox",
        "file",
        "text",
        "multi_line_text",
        "numbers_only_text",
        "radio_buttons",
        "rectangles",
        "dropdown",
        "product_list",
        "product_list_with_images",
        "swatch",
    ),
    "required": flag,
    "sort_order": whole(-2_147_483_648, 2_147_483_647),
    "config": raw_json,
}

OPTION_VALUE: Mapping[str, Check] = {
    "label": text(255, 1),
    "sort_order": whole(-2_147_483_648, 2_147_483_647),
    "value_data": raw_json,
    "is_default": flag,
}

CUSTOM_FIELD: Mapping[str, Check] = {"name": text(250, 1), "value": text(250, 1)}

BULK_RULE: Mapping[str, Check] = {
    "quantity_min": whole(0, MOST_PIECES),
    "quantity_max": whole(0, MOST_PIECES),
    "type": choice("price", "percent", "fixed"),
    "amount": number(0),
}

VIDEO: Mapping[str, Check] = {
    "title": text(255),
    "description": text(65535),
    "sort_order": whole(-2_147_483_648, 2_147_483_647),
    "type": choice("youtube"),
    "video_id": text(255, 1),
}


def checked(table: Mapping[str, Check], body: Any, *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The known fields of ``body`` as the store keeps them; unknown ones are ignored, as by the vendor.

    Raises Refusal 422 with one sentence per wrong field.
    """
    if not isinstance(body, dict):
        raise Refusal(422, "JSON data is missing or invalid", {"": "must be an object"})
    kept: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, value in body.items():
        check = table.get(name)
        if check is None:
            continue
        try:
            kept[name] = check(value)
        except Unfit as error:
            errors[name] = f"{name} {error}"
    for name in required:
        if name not in body:
            errors[name] = f"{name} is required"
    if errors:
        raise Refusal(422, "JSON data is missing or invalid", errors)
    return kept
