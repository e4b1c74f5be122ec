"""The kinds of things we keep in agreement, and what the fields of each kind are.

A record of a kind is a flat set of named fields plus *parts*: things that live inside it and have an identity of
their own at the remote side (the variants, options and images of a product). The schema here says how each field is
compared, merged, encoded and translated, so that diff, merge, history and undo are written once for all kinds.
What a vendor calls a field is its connector's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NewType

import msgspec

Key = NewType("Key", str)
"""The id of a remote thing, as text, in its own system."""
ConnectionName = NewType("ConnectionName", str)
FlowName = NewType("FlowName", str)
LaneName = NewType("LaneName", str)


class Kind(StrEnum):
    """What sort of thing a key names. Flows keep kinds in this order: what is referred to comes first."""

    CATEGORY = "category"
    BRAND = "brand"
    PRODUCT = "product"


class FieldType(StrEnum):
    """How a field's value is held in a Record and compared."""

    TEXT = "text"  # str
    HTML = "html"  # str, compared as given
    FLAG = "flag"  # bool
    COUNT = "count"  # int
    DECIMAL = "decimal"  # Decimal: a measure (weight, width) or a percentage
    MONEY = "money"  # Decimal in the record's currency
    TIME = "time"  # str, ISO 8601 in UTC
    TEXTS = "texts"  # frozenset[str]: order has no meaning; merged by element
    ROWS = "rows"  # frozenset[tuple[str, ...]]: small rows without identity; merged by element
    DATA = "data"  # str: canonical JSON of a vendor structure that we carry but don't look into
    REF = "ref"  # str key of another record (see FieldSchema.kind), or None
    REFS = "refs"  # frozenset[str] of such keys
    PART = "part"  # str key of a part of the same record (see FieldSchema.part)
    PARTS = "parts"  # frozenset[str] of such keys


class FieldSchema(msgspec.Struct, frozen=True):
    """One field: its type, and what it refers to when it is a reference."""

    type: FieldType
    kind: Kind | None = None  # REF, REFS: the kind referred to
    part: str | None = None  # PART, PARTS: the collection referred to
    title: str = ""


class PartSchema(msgspec.Struct, frozen=True):
    """One collection of parts."""

    fields: Mapping[str, FieldSchema]
    natural: tuple[str, ...] = ()  # fields whose equality identifies an unlinked part (tried in order, each by itself)
    ordered_after: tuple[str, ...] = ()  # collections that must exist before these parts can be written


class KindSchema(msgspec.Struct, frozen=True):
    """One kind: its own fields and its collections of parts."""

    kind: Kind
    fields: Mapping[str, FieldSchema]
    parts: Mapping[str, PartSchema] = {}


def _f(type_: FieldType, kind: Kind | None = None, part: str | None = None) -> FieldSchema:
    return FieldSchema(type=type_, kind=kind, part=part)


_T, _H, _B, _N = _f(FieldType.TEXT), _f(FieldType.HTML), _f(FieldType.FLAG), _f(FieldType.COUNT)
_D, _M, _AT, _ROWS, _DATA = (
    _f(FieldType.DECIMAL),
    _f(FieldType.MONEY),
    _f(FieldType.TIME),
    _f(FieldType.ROWS),
    _f(FieldType.DATA),
)
_TEXTS = _f(FieldType.TEXTS)

CATEGORY = KindSchema(
    kind=Kind.CATEGORY,
    fields={
        "name": _T,
        "parent": _f(FieldType.REF, Kind.CATEGORY),
        "description": _H,
        "sort_order": _N,
        "is_visible": _B,
        "page_title": _T,
        "meta_keywords": _TEXTS,
        "meta_description": _T,
        "search_keywords": _T,
        "layout_file": _T,
        "default_product_sort": _T,
        "image_url": _T,
        "url_path": _T,
    },
)

BRAND = KindSchema(
    kind=Kind.BRAND,
    fields={
        "name": _T,
        "page_title": _T,
        "meta_keywords": _TEXTS,
        "meta_description": _T,
        "search_keywords": _T,
        "image_url": _T,
        "layout_file": _T,
        "url_path": _T,
    },
)

PRODUCT = KindSchema(
    kind=Kind.PRODUCT,
    fields={
        "name": _T,
        "type": _T,
        "sku": _T,
        "description": _H,
        "weight": _D,
        "width": _D,
        "depth": _D,
        "height": _D,
        "price": _M,
        "cost_price": _M,
        "retail_price": _M,
        "sale_price": _M,
        "map_price": _M,
        "fixed_cost_shipping_price": _M,
        "tax_class": _N,
        "product_tax_code": _T,
        "categories": _f(FieldType.REFS, Kind.CATEGORY),
        "brand": _f(FieldType.REF, Kind.BRAND),
        "related": _f(FieldType.REFS, Kind.PRODUCT),
        "inventory_level": _N,
        "inventory_warning_level": _N,
        "inventory_tracking": _T,
        "is_free_shipping": _B,
        "is_visible": _B,
        "is_featured": _B,
        "warranty": _H,
        "bin_picking_number": _T,
        "layout_file": _T,
        "upc": _T,
        "gtin": _T,
        "mpn": _T,
        "search_keywords": _T,
        "availability": _T,
        "availability_description": _T,
        "gift_wrapping_options_type": _T,
        "gift_wrapping_options": _TEXTS,
        "sort_order": _N,
        "condition": _T,
        "is_condition_shown": _B,
        "order_quantity_minimum": _N,
        "order_quantity_maximum": _N,
        "page_title": _T,
        "meta_keywords": _TEXTS,
        "meta_description": _T,
        "preorder_release_at": _AT,
        "preorder_message": _T,
        "is_preorder_only": _B,
        "is_price_hidden": _B,
        "price_hidden_label": _T,
        "url_path": _T,
        "open_graph_type": _T,
        "open_graph_title": _T,
        "open_graph_description": _T,
        "open_graph_use_meta_description": _B,
        "open_graph_use_product_name": _B,
        "open_graph_use_image": _B,
        "custom_fields": _ROWS,  # (name, value)
        "bulk_pricing": _ROWS,  # (quantity_min, quantity_max, type, amount), numbers as canonical text
        "videos": _ROWS,  # (type, video id, title, description, sort order)
        "listing_state": _T,  # state of the product's listing on the configured channel; read only, None: not listed
    },
    parts={
        "options": PartSchema(
            fields={"name": _T, "type": _T, "sort_order": _N, "config": _DATA},
            natural=("name",),
        ),
        "option_values": PartSchema(
            fields={
                "option": _f(FieldType.PART, part="options"),
                "label": _T,
                "sort_order": _N,
                "is_default": _B,
                "value_data": _DATA,
            },
            natural=("option+label",),
            ordered_after=("options",),
        ),
        "variants": PartSchema(
            fields={
                "sku": _T,
                "option_values": _f(FieldType.PARTS, part="option_values"),
                "price": _M,
                "cost_price": _M,
                "sale_price": _M,
                "retail_price": _M,
                "map_price": _M,
                "weight": _D,
                "width": _D,
                "height": _D,
                "depth": _D,
                "is_free_shipping": _B,
                "fixed_cost_shipping_price": _M,
                "purchasing_disabled": _B,
                "purchasing_disabled_message": _T,
                "image_url": _T,
                "upc": _T,
                "gtin": _T,
                "mpn": _T,
                "inventory_level": _N,
                "inventory_warning_level": _N,
                "bin_picking_number": _T,
            },
            natural=("sku", "option_values"),
            ordered_after=("option_values",),
        ),
        "images": PartSchema(
            fields={
                "content": _T,  # SHA-256 of the bytes, hex; absent until somebody needs to know
                "url": _T,  # where the bytes can be fetched; never compared
                "description": _T,
                "sort_order": _N,
                "is_thumbnail": _B,
            },
            natural=("content",),
        ),
    },
)

SCHEMAS: Mapping[Kind, KindSchema] = {s.kind: s for s in (CATEGORY, BRAND, PRODUCT)}
NEVER_COMPARED: frozenset[str] = frozenset({"listing_state", "url", "content"})
"""Fields that inform us but are not written as such: no diff is made of them."""
