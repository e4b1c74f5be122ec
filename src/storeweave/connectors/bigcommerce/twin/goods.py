"""What a BigCommerce store holds, as immutable values in the vendor's own words and field order.

A change makes a new value (``msgspec.structs.replace``); so a reader that lags can keep the old one for nothing. The
order and the names of the fields are those of the vendor's answers, so that most of them are encoded as they are.
"""

from __future__ import annotations

import msgspec

from storeweave.twinkit.wire import Number


class CustomUrl(msgspec.Struct, frozen=True, gc=False):
    """The storefront path of a product, category or brand."""

    url: str
    is_customized: bool = False


class Product(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The product itself, without its parts."""

    id: int
    name: str
    type: str = "physical"
    sku: str = ""
    description: str = ""
    weight: Number = 0
    width: Number = 0
    depth: Number = 0
    height: Number = 0
    price: Number = 0
    cost_price: Number = 0
    retail_price: Number = 0
    sale_price: Number = 0
    map_price: Number = 0
    tax_class_id: int = 0
    product_tax_code: str = ""
    calculated_price: Number = 0
    categories: tuple[int, ...] = ()
    brand_id: int = 0
    option_set_id: int | None = None
    option_set_display: str = "right"
    inventory_level: int = 0
    inventory_warning_level: int = 0
    inventory_tracking: str = "none"
    reviews_rating_sum: int = 0
    reviews_count: int = 0
    total_sold: int = 0
    fixed_cost_shipping_price: Number = 0
    is_free_shipping: bool = False
    is_visible: bool = True
    is_featured: bool = False
    related_products: tuple[int, ...] = (-1,)
    warranty: str = ""
    bin_picking_number: str = ""
    layout_file: str = ""
    upc: str = ""
    mpn: str = ""
    gtin: str = ""
    date_last_imported: str = ""
    search_keywords: str = ""
    availability: str = "available"
    availability_description: str = ""
    gift_wrapping_options_type: str = "any"
    gift_wrapping_options_list: tuple[int, ...] = ()
    sort_order: int = 0
    condition: str = "New"
    is_condition_shown: bool = False
    order_quantity_minimum: int = 0
    order_quantity_maximum: int = 0
    page_title: str = ""
    meta_keywords: tuple[str, ...] = ()
    meta_description: str = ""
    date_created: str = ""
    date_modified: str = ""
    view_count: int = 0
    preorder_release_date: str | None = None
    preorder_message: str = ""
    is_preorder_only: bool = False
    is_price_hidden: bool = False
    price_hidden_label: str = ""
    custom_url: CustomUrl = CustomUrl("")
    base_variant_id: int | None = None
    open_graph_type: str = "product"
    open_graph_title: str = ""
    open_graph_description: str = ""
    open_graph_use_meta_description: bool = True
    open_graph_use_product_name: bool = True
    open_graph_use_image: bool = True


class Choice(msgspec.Struct, frozen=True, gc=False):
    """One option value of a variant. Variants of one product share equal ones."""

    id: int
    label: str
    option_id: int
    option_display_name: str


class Variant(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A variant; the base variant has no option values and mirrors its product."""

    id: int
    product_id: int
    sku: str = ""
    sku_id: int | None = None
    price: Number | None = None
    calculated_price: Number = 0
    sale_price: Number | None = None
    retail_price: Number | None = None
    map_price: Number | None = None
    weight: Number | None = None
    calculated_weight: Number = 0
    width: Number | None = None
    height: Number | None = None
    depth: Number | None = None
    is_free_shipping: bool = False
    fixed_cost_shipping_price: Number | None = None
    purchasing_disabled: bool = False
    purchasing_disabled_message: str = ""
    image_url: str = ""
    cost_price: Number | None = None
    upc: str = ""
    mpn: str = ""
    gtin: str = ""
    inventory_level: int = 0
    inventory_warning_level: int = 0
    bin_picking_number: str = ""
    option_values: tuple[Choice, ...] = ()


class OptionValue(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One value of an option or modifier. ``value_data`` is kept as JSON text."""

    id: int
    label: str
    sort_order: int = 0
    value_data: msgspec.Raw = msgspec.Raw(b"null")
    is_default: bool = False


class Option(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A variant option of one product."""

    id: int
    product_id: int
    name: str
    display_name: str
    type: str = "dropdown"
    sort_order: int = 0
    option_values: tuple[OptionValue, ...] = ()
    config: msgspec.Raw = msgspec.Raw(b"{}")


class Modifier(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A question to the buyer that makes no variants."""

    id: int
    product_id: int
    name: str
    display_name: str
    type: str
    required: bool = False
    sort_order: int = 0
    config: msgspec.Raw = msgspec.Raw(b"{}")
    option_values: tuple[OptionValue, ...] = ()


class Image(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An image of a product. ``picture`` names its bytes in the picture store."""

    id: int
    product_id: int
    picture: str
    image_file: str
    is_thumbnail: bool = False
    sort_order: int = 0
    description: str = ""
    date_modified: str = ""


class CustomField(msgspec.Struct, frozen=True, gc=False):
    """A name and value shown with the product."""

    id: int
    name: str
    value: str


class BulkRule(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A price for buying many. ``type``: price (off), percent (off) or fixed (price)."""

    id: int
    quantity_min: int
    quantity_max: int
    type: str
    amount: Number


class Video(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A video shown with the product."""

    id: int
    product_id: int
    title: str = ""
    description: str = ""
    sort_order: int = 0
    type: str = "youtube"
    video_id: str = ""
    length: str = ""


class Entry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A product with all its parts."""

    product: Product
    variants: tuple[Variant, ...] = ()
    options: tuple[Option, ...] = ()
    modifiers: tuple[Modifier, ...] = ()
    images: tuple[Image, ...] = ()
    custom_fields: tuple[CustomField, ...] = ()
    bulk_pricing_rules: tuple[BulkRule, ...] = ()
    videos: tuple[Video, ...] = ()
    channels: tuple[int, ...] = (1,)

    @property
    def has_choices(self) -> bool:
        """Whether the variants are real ones, not just the base variant."""
        return bool(self.variants) and bool(self.variants[0].option_values)


class Category(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A category in one tree. The two endpoints name some fields differently (``categories`` knows how)."""

    id: int
    uuid: str
    tree_id: int
    parent_id: int
    name: str
    description: str = ""
    views: int = 0
    sort_order: int = 0
    page_title: str = ""
    meta_keywords: tuple[str, ...] = ()
    meta_description: str = ""
    layout_file: str = ""
    image_url: str = ""
    is_visible: bool = True
    search_keywords: str = ""
    default_product_sort: str = "use_store_settings"
    url: CustomUrl = CustomUrl("")


class Brand(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A brand."""

    id: int
    name: str
    page_title: str = ""
    meta_keywords: tuple[str, ...] = ()
    meta_description: str = ""
    search_keywords: str = ""
    image_url: str = ""
    custom_url: CustomUrl = CustomUrl("")


class Tree(msgspec.Struct, frozen=True, gc=False):
    """A category tree and the channels that show it."""

    id: int
    name: str
    channels: tuple[int, ...]


class Channel(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A sales channel."""

    id: int
    external_id: str = ""
    is_listable_from_ui: bool = True
    is_enabled: bool = True
    is_visible: bool = True
    status: str = "active"
    name: str
    type: str = "storefront"
    platform: str = "bigcommerce"
    date_created: str = ""
    date_modified: str = ""
    icon_url: str = ""


class ListedVariant(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A variant in a listing."""

    channel_id: int
    product_id: int
    variant_id: int
    external_id: str = ""
    state: str = "active"
    name: str = ""
    description: str = ""
    date_created: str = ""
    date_modified: str = ""


class Listing(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A product on a channel."""

    channel_id: int
    listing_id: int
    external_id: str = ""
    product_id: int
    state: str = "active"
    name: str = ""
    description: str = ""
    date_created: str = ""
    date_modified: str = ""
    variants: tuple[ListedVariant, ...] = ()


class Hook(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A webhook subscription of one client."""

    id: int
    client_id: str
    store_hash: str
    scope: str
    destination: str
    headers: dict[str, str] | None = None
    is_active: bool = True
    created_at: int = 0
    updated_at: int = 0


class Location(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A place that holds stock."""

    id: int
    code: str
    label: str
    description: str = ""
    managed_by_external_source: bool = False
    type_id: str = "PHYSICAL"
    enabled: bool = True
    time_zone: str = "Etc/UTC"
    created_at: str = ""
    updated_at: str = ""
    storefront_visibility: bool = True
