"""What BigCommerce cannot hold, said before anything is sent, with the field and the remedy. Pure.

Source: the limits in products_catalog.v3, product-variants_catalog.v3, product-variant-options_catalog.v3,
category-trees_catalog.v3 and brands_catalog.v3 (bulk endpoints answer 422 for them and spoil the whole batch).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from storeweave.connectors.bigcommerce.product_fields import refuse_long
from storeweave.model.errors import RefusedError
from storeweave.model.records import Change, Fields, Op, Parts

MOST_VARIANTS: Final = 600
MOST_IMAGES: Final = 1000
MOST_VALUES: Final = 250
MOST_CUSTOM_FIELDS: Final = 200
MOST_CATEGORIES: Final = 1000
IMAGE_URL_CHARS: Final = 255
OPTION_CHARS: Final = 255
CUSTOM_FIELD_CHARS: Final = 250
CATEGORY_CHARS: Final[Mapping[str, int]] = {
    "name": 50,
    "description": 65535,
    "meta_description": 65535,
    "search_keywords": 255,
    "layout_file": 50,
    "url_path": 255,
}
BRAND_CHARS: Final[Mapping[str, int]] = {
    "name": 255,
    "page_title": 255,
    "meta_description": 65535,
    "search_keywords": 65535,
    "url_path": 1024,
}


def refuse_product(change: Change) -> None:
    """Raises RefusedError for a product that BigCommerce would not take."""
    if change.op is Op.CREATE:
        _refuse_missing(change.fields)
    _refuse_counts(change)
    _refuse_rows(change.fields)
    for key, fields in _written(change, "images"):
        url = fields.get("url")
        if key.startswith("+") and not url:
            raise RefusedError(f"image {key[1:]} has no address to fetch it from", code="no-image-url")
        if isinstance(url, str) and len(url) > IMAGE_URL_CHARS:
            raise RefusedError(
                f"the address of image {key.lstrip('+')} has {len(url)} characters and BigCommerce takes"
                f" {IMAGE_URL_CHARS}; serve it under a shorter address",
                code="too-long",
            )
    for _, fields in _written(change, "options"):
        refuse_long("the name of an option", fields.get("name"), OPTION_CHARS)
    for _, fields in _written(change, "option_values"):
        refuse_long("the label of an option value", fields.get("label"), OPTION_CHARS)
        if '"product_id"' in str(fields.get("value_data") or ""):
            raise RefusedError(
                "an option value picks a product by this store's id, which means another product elsewhere; use another"
                " type of option at the source",
                code="unsupported",
            )


def _refuse_missing(fields: Fields) -> None:
    for name in ("name", "price"):
        if fields.get(name) in {None, ""}:
            raise RefusedError(f"{name} is missing and BigCommerce creates no product without it", code="invalid")


def _refuse_counts(change: Change) -> None:
    parts: Parts = change.wanted.parts if change.wanted is not None else {}
    _refuse_more("variants", len(parts.get("variants", {})), MOST_VARIANTS)
    _refuse_more("images", len(parts.get("images", {})), MOST_IMAGES)
    by_option: dict[object, int] = {}
    for value in parts.get("option_values", {}).values():
        by_option[value.get("option")] = by_option.get(value.get("option"), 0) + 1
    _refuse_more("values in one option", max(by_option.values(), default=0), MOST_VALUES)
    categories = change.fields.get("categories")
    _refuse_more("categories", len(categories) if isinstance(categories, frozenset) else 0, MOST_CATEGORIES)


def _refuse_more(what: str, count: int, most: int) -> None:
    if count > most:
        raise RefusedError(
            f"{count} {what}; BigCommerce holds {most}; split the product at the source", code="too-many"
        )


def _refuse_rows(fields: Fields) -> None:
    rows: Any = fields.get("custom_fields") or ()
    _refuse_more("custom fields", len(rows), MOST_CUSTOM_FIELDS)
    for name, value in rows:
        for text in (name, value):
            if not text:
                raise RefusedError(f"custom field {name!r} has an empty name or value", code="invalid")
            refuse_long(f"custom field {name!r}", text, CUSTOM_FIELD_CHARS)


def refuse_texts(fields: Fields, most: Mapping[str, int]) -> None:
    """Raises RefusedError for an empty name or a text that is too long (categories, brands)."""
    if "name" in fields and not fields["name"]:
        raise RefusedError("name is empty; BigCommerce needs one", code="invalid")
    for name, chars in most.items():
        refuse_long(name, fields.get(name), chars)


def _written(change: Change, collection: str) -> Iterable[tuple[str, Fields]]:
    parts = change.parts.get(collection)
    if parts is not None:
        yield from parts.create.items()
        yield from parts.update.items()
