"""What a store holds in a form in which two stores can be compared: names and paths for ids, hashes for pictures."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from storeweave.connectors.bigcommerce.twin.checks import CATEGORY, OPTION, PRODUCT
from storeweave.connectors.bigcommerce.twin.goods import Entry, Image, Product, Variant
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.twinkit.wire import encode

PRODUCT_FIELDS = tuple(name for name in Product.__struct_fields__ if name in PRODUCT)
VARIANT_FIELDS = (
    "sku",
    "price",
    "sale_price",
    "retail_price",
    "map_price",
    "cost_price",
    "weight",
    "width",
    "height",
    "depth",
    "is_free_shipping",
    "fixed_cost_shipping_price",
    "purchasing_disabled",
    "purchasing_disabled_message",
    "upc",
    "mpn",
    "gtin",
    "inventory_level",
    "inventory_warning_level",
    "bin_picking_number",
)
CATEGORY_FIELDS = tuple(
    name for name in CATEGORY if name not in {"parent_id", "tree_id", "name", "url", "views", "image_url"}
)
OPTION_FIELDS = tuple(OPTION)


def path_text(path: tuple[str, ...]) -> str:
    return " > ".join(path)


def product_state(shop: Shop, entry: Entry) -> dict[str, Any]:
    """One product with every writable field and all parts, without any id."""
    product = entry.product
    state: dict[str, Any] = {name: getattr(product, name) for name in PRODUCT_FIELDS}
    del state["brand_id"]
    brand = shop.brands.get(product.brand_id)
    state["brand"] = brand.name if brand is not None else None
    state["categories"] = sorted(path_text(shop.category_path(number)) for number in product.categories)
    state["related_products"] = sorted(_named(shop, number) for number in product.related_products)
    state["custom_url"] = product.custom_url.url
    state["options"] = {option.display_name: _option_state(option) for option in entry.options}
    state["variants"] = _variants(shop, entry) if entry.has_choices else {}
    state["images"] = [_image_state(shop, image) for image in sorted(entry.images, key=_image_order)]
    state["custom_fields"] = sorted([field.name, field.value] for field in entry.custom_fields)
    state["bulk_pricing_rules"] = sorted(
        [rule.quantity_min, rule.quantity_max, rule.type, str(rule.amount)] for rule in entry.bulk_pricing_rules
    )
    state["videos"] = [[video.video_id, video.title, video.description] for video in entry.videos]
    return state


def store_state(shop: Shop, *, products: bool = True) -> dict[str, Any]:
    """The whole store: products by SKU (or ``name:...``), categories by path, brands by name."""
    return {
        "products": {product_key(entry): product_state(shop, entry) for entry in shop.entries.values()}
        if products
        else {},
        "categories": {
            path_text(shop.category_path(category.id)): {
                **{name: getattr(category, name) for name in CATEGORY_FIELDS},
                "url": category.url.url,
            }
            for category in shop.categories.values()
        },
        "brands": {
            brand.name: {
                "page_title": brand.page_title,
                "meta_keywords": brand.meta_keywords,
                "meta_description": brand.meta_description,
                "search_keywords": brand.search_keywords,
            }
            for brand in shop.brands.values()
        },
    }


def store_json(shop: Shop) -> bytes:
    """``store_state`` as canonical JSON: keys sorted, so that equal stores have equal bytes."""
    return msgspec.json.Encoder(decimal_format="number", order="sorted").encode(store_state(shop))


def store_digest(shop: Shop) -> str:
    """SHA-256 of ``store_json``."""
    return hashlib.sha256(store_json(shop)).hexdigest()


def product_key(entry: Entry) -> str:
    return entry.product.sku or f"name:{entry.product.name}"


def _named(shop: Shop, product_id: int) -> str:
    other = shop.entries.get(product_id)
    return product_key(other) if other is not None else str(product_id)


def _option_state(option: Any) -> dict[str, Any]:
    return {
        "type": option.type,
        "sort_order": option.sort_order,
        "values": {
            value.label: {
                "sort_order": value.sort_order,
                "is_default": value.is_default,
                "value_data": msgspec.json.decode(value.value_data),
            }
            for value in option.option_values
        },
    }


def _variants(shop: Shop, entry: Entry) -> dict[str, Any]:
    """By option names and labels, which stores share; the SKU is one of the fields."""
    return {variant_key(variant): _variant_state(shop, variant) for variant in entry.variants}


def variant_key(variant: Variant) -> str:
    return ", ".join(sorted(f"{choice.option_display_name}={choice.label}" for choice in variant.option_values))


def _variant_state(shop: Shop, variant: Variant) -> dict[str, Any]:
    state: dict[str, Any] = {name: getattr(variant, name) for name in VARIANT_FIELDS}
    picture = shop.variant_pictures.get(variant.id)
    state["image"] = shop.pictures.content_hash(picture) if picture is not None else None
    return state


def _image_order(image: Image) -> tuple[int, int]:
    return image.sort_order, image.id


def _image_state(shop: Shop, image: Image) -> dict[str, Any]:
    return {
        "content": shop.pictures.content_hash(image.picture),
        "is_thumbnail": image.is_thumbnail,
        "sort_order": image.sort_order,
        "description": image.description,
    }


def text_of(value: Any) -> str:
    """A value of a dump as text for a difference."""
    return encode(value).decode()
