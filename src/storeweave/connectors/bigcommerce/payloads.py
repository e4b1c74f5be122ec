"""The vendor's JSON as types: decoded once, exact numbers, unknown members ignored.

``UNSET`` is a member that the answer did not have; what is missing is unknown, never empty. What the values mean is
in ``records`` and ``product_fields``.
Source: products_catalog.v3, product-variants_catalog.v3, product-variant-options_catalog.v3, brands_catalog.v3,
category-trees_catalog.v3, channels.v3, webhooks.v3, store_information.v2 of the vendor's documentation.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

T = TypeVar("T")

Text = str | None | UnsetType
Flag = bool | None | UnsetType
Whole = int | None | UnsetType
Exact = Decimal | None | UnsetType


class CustomUrl(msgspec.Struct, gc=False):
    url: str | None = None
    is_customized: bool = False


class TreeUrl(msgspec.Struct, gc=False):
    path: str | None = None
    is_customized: bool = False


class VariantChoice(msgspec.Struct, gc=False):
    id: int
    option_id: int
    label: str = ""
    option_display_name: str = ""


class VariantData(msgspec.Struct):
    id: int
    product_id: int = 0
    sku: Text = UNSET
    price: Exact = UNSET
    cost_price: Exact = UNSET
    sale_price: Exact = UNSET
    retail_price: Exact = UNSET
    map_price: Exact = UNSET
    weight: Exact = UNSET
    width: Exact = UNSET
    height: Exact = UNSET
    depth: Exact = UNSET
    is_free_shipping: Flag = UNSET
    fixed_cost_shipping_price: Exact = UNSET
    purchasing_disabled: Flag = UNSET
    purchasing_disabled_message: Text = UNSET
    image_url: Text = UNSET
    upc: Text = UNSET
    gtin: Text = UNSET
    mpn: Text = UNSET
    inventory_level: Whole = UNSET
    inventory_warning_level: Whole = UNSET
    bin_picking_number: Text = UNSET
    option_values: list[VariantChoice] | UnsetType = UNSET


class OptionValueData(msgspec.Struct):
    id: int
    label: str = ""
    sort_order: int = 0
    is_default: bool | None = False
    value_data: Any = None


class OptionData(msgspec.Struct):
    id: int
    display_name: str = ""
    type: str = ""
    sort_order: int = 0
    config: Any = None
    option_values: list[OptionValueData] = []


class ImageData(msgspec.Struct, gc=False):
    id: int
    product_id: int = 0
    is_thumbnail: bool | None = False
    sort_order: int | None = 0
    description: str | None = ""
    image_file: str | None = None
    url_zoom: str | None = None
    url_standard: str | None = None


class CustomFieldData(msgspec.Struct, gc=False):
    id: int
    name: str
    value: str


class BulkRuleData(msgspec.Struct, gc=False):
    id: int
    quantity_min: int
    quantity_max: int
    type: str
    amount: Decimal  # the API gives percentages as text, the other amounts as numbers


class VideoData(msgspec.Struct, gc=False):
    id: int
    video_id: str = ""
    type: str | None = "youtube"
    title: str | None = ""
    description: str | None = ""
    sort_order: int | None = 0


class ProductData(msgspec.Struct, kw_only=True):
    id: int
    name: Text = UNSET
    type: Text = UNSET
    sku: Text = UNSET
    description: Text = UNSET
    weight: Exact = UNSET
    width: Exact = UNSET
    depth: Exact = UNSET
    height: Exact = UNSET
    price: Exact = UNSET
    cost_price: Exact = UNSET
    retail_price: Exact = UNSET
    sale_price: Exact = UNSET
    map_price: Exact = UNSET
    fixed_cost_shipping_price: Exact = UNSET
    tax_class_id: Whole = UNSET
    product_tax_code: Text = UNSET
    categories: list[int] | UnsetType | None = UNSET
    brand_id: Whole = UNSET
    related_products: list[int] | UnsetType | None = UNSET
    inventory_level: Whole = UNSET
    inventory_warning_level: Whole = UNSET
    inventory_tracking: Text = UNSET
    is_free_shipping: Flag = UNSET
    is_visible: Flag = UNSET
    is_featured: Flag = UNSET
    warranty: Text = UNSET
    bin_picking_number: Text = UNSET
    layout_file: Text = UNSET
    upc: Text = UNSET
    gtin: Text = UNSET
    mpn: Text = UNSET
    search_keywords: Text = UNSET
    availability: Text = UNSET
    availability_description: Text = UNSET
    gift_wrapping_options_type: Text = UNSET
    gift_wrapping_options_list: list[int] | UnsetType | None = UNSET
    sort_order: Whole = UNSET
    condition: Text = UNSET
    is_condition_shown: Flag = UNSET
    order_quantity_minimum: Whole = UNSET
    order_quantity_maximum: Whole = UNSET
    page_title: Text = UNSET
    meta_keywords: list[str] | UnsetType | None = UNSET
    meta_description: Text = UNSET
    preorder_release_date: Text = UNSET
    preorder_message: Text = UNSET
    is_preorder_only: Flag = UNSET
    is_price_hidden: Flag = UNSET
    price_hidden_label: Text = UNSET
    custom_url: CustomUrl | UnsetType | None = UNSET
    open_graph_type: Text = UNSET
    open_graph_title: Text = UNSET
    open_graph_description: Text = UNSET
    open_graph_use_meta_description: Flag = UNSET
    open_graph_use_product_name: Flag = UNSET
    open_graph_use_image: Flag = UNSET
    date_modified: Text = UNSET
    base_variant_id: Whole = UNSET
    option_set_id: Whole = UNSET
    variants: list[VariantData] | UnsetType = UNSET
    options: list[OptionData] | UnsetType = UNSET
    images: list[ImageData] | UnsetType = UNSET
    custom_fields: list[CustomFieldData] | UnsetType = UNSET
    bulk_pricing_rules: list[BulkRuleData] | UnsetType = UNSET
    videos: list[VideoData] | UnsetType = UNSET


class CategoryData(msgspec.Struct, kw_only=True):
    category_id: int
    tree_id: int = 0
    parent_id: int = 0
    name: str
    description: Text = UNSET
    sort_order: Whole = UNSET
    page_title: Text = UNSET
    meta_keywords: list[str] | UnsetType | None = UNSET
    meta_description: Text = UNSET
    layout_file: Text = UNSET
    image_url: Text = UNSET
    is_visible: Flag = UNSET
    search_keywords: Text = UNSET
    default_product_sort: Text = UNSET
    url: TreeUrl | UnsetType | None = UNSET


class BrandData(msgspec.Struct, kw_only=True):
    id: int
    name: str
    page_title: Text = UNSET
    meta_keywords: list[str] | UnsetType | None = UNSET
    meta_description: Text = UNSET
    search_keywords: Text = UNSET
    image_url: Text = UNSET
    custom_url: CustomUrl | UnsetType | None = UNSET


class ListingData(msgspec.Struct, gc=False):
    listing_id: int
    product_id: int
    state: str = "active"


class TreeData(msgspec.Struct):
    id: int
    name: str = ""
    channels: list[int] = []


class HookData(msgspec.Struct):
    id: int
    scope: str
    destination: str
    is_active: bool = True
    headers: dict[str, str] | None = None


class StoreData(msgspec.Struct):
    """GET /v2/store; it has no envelope."""

    id: str
    name: str = ""
    domain: str = ""
    secure_url: str = ""
    currency: str = ""
    status: str = ""
    plan_name: str = ""
    plan_level: str = ""
    default_channel_id: int = 1


class TimeData(msgspec.Struct):
    """GET /v2/time."""

    time: int


class Links(msgspec.Struct, gc=False):
    next: str | None = None


class Pagination(msgspec.Struct):
    total: int | None = None
    count: int | None = None
    total_pages: int | None = None
    links: Links | None = None


class Meta(msgspec.Struct):
    pagination: Pagination | None = None
    total: int | None = None
    success: int | None = None
    failed: int | None = None


class Many(msgspec.Struct, Generic[T]):
    """The envelope of a list. An answer without ``data`` is not one, whatever its status says."""

    data: list[T]
    meta: Meta = msgspec.field(default_factory=Meta)
    errors: Any = None


class One(msgspec.Struct, Generic[T]):
    """The envelope of one thing; after a 207 some resources show it as a list of one."""

    data: T | list[T]
    errors: Any = None


class Counted(msgspec.Struct):
    """The envelope of an answer that only counts what it did (category trees)."""

    meta: Meta
    errors: Any = None
