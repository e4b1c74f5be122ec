"""From a request's body to a product with its parts, checked against everything that the store holds.

``composed`` makes a new product, ``changed`` a changed one. Nothing is stored here; the second value names what could
not be saved though the rest can (the vendor's 207).
"""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin.checks import BRAND, PRODUCT, checked
from storeweave.connectors.bigcommerce.twin.goods import Brand, CustomUrl, Entry, Product, Variant
from storeweave.connectors.bigcommerce.twin.images import with_images
from storeweave.connectors.bigcommerce.twin.options import with_variants
from storeweave.connectors.bigcommerce.twin.parts import with_custom_fields, with_rules, with_videos
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.connectors.bigcommerce.twin.variants import derived
from storeweave.twinkit.wire import Refusal

_UNWANTED = re.compile(r"<!--.*?-->|<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
REQUIRED = ("name", "type", "weight", "price")
Composed = tuple[Entry, dict[str, str]]


def composed(shop: Shop, body: Any) -> Composed:
    """A new product. Raises Refusal 409 or 422."""
    fields = checked(PRODUCT, body, required=REQUIRED)
    product_id = shop.next_id("product")
    fields, errors = _resolved(shop, product_id, fields, body)
    product = Product(id=product_id, date_created=shop.stamp(), **fields)
    base = Variant(id=shop.next_id("variant"), product_id=product_id)
    entry = Entry(product=product, variants=(base,))
    if body.get("variants"):
        entry = with_variants(shop, entry, body["variants"])
    entry = _with_parts(shop, entry, body)
    shop.require_unique(entry)
    if not product.custom_url.url:
        entry = replace(entry, product=replace(product, custom_url=_own_url(shop, product)))
    return entry, errors


def changed(shop: Shop, before: Entry, body: Any) -> Composed:
    """A product after a PUT. Raises Refusal 409 or 422."""
    fields = checked(PRODUCT, body)
    fields, errors = _resolved(shop, before.product.id, fields, body)
    if "inventory_level" in fields and before.product.sku.lower() in shop.stock_refused:
        errors["inventory_level"] = "The inventory could not be saved"
        del fields["inventory_level"]
    if "custom_url" in fields and not fields["custom_url"].url:
        del fields["custom_url"]
    product = replace(before.product, **fields) if fields else before.product
    entry = replace(before, product=product)
    if entry.has_choices and any(name in fields for name in ("price", "sale_price", "weight")):
        entry = replace(entry, variants=tuple(derived(product, variant) for variant in entry.variants))
    entry = _with_parts(shop, entry, body)
    shop.require_unique(entry)
    return entry, errors


def _with_parts(shop: Shop, entry: Entry, body: dict[str, Any]) -> Entry:
    if "custom_fields" in body:
        entry = with_custom_fields(shop, entry, body["custom_fields"])
    if "bulk_pricing_rules" in body:
        entry = with_rules(shop, entry, body["bulk_pricing_rules"])
    if "videos" in body:
        entry = with_videos(shop, entry, body["videos"])
    if "images" in body:
        entry = with_images(shop, entry, body["images"])
    return entry


def _resolved(shop: Shop, product_id: int, fields: dict[str, Any], body: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Check references; make the brand that is given by name; give up a URL that somebody else has."""
    errors: dict[str, str] = {}
    if shop.settings.tidies_descriptions and "description" in fields:
        fields["description"] = tidied(fields["description"])
    for category_id in fields.get("categories", ()):
        if category_id not in shop.categories:
            raise Refusal(409, "One or more categories do not exist", {"categories": f"no category {category_id}"})
    if fields.get("brand_id") and fields["brand_id"] not in shop.brands:
        raise Refusal(409, "The brand does not exist", {"brand_id": f"no brand {fields['brand_id']}"})
    if "brand_id" not in fields and body.get("brand_name"):
        fields["brand_id"] = brand_named(shop, body["brand_name"])
    url = fields.get("custom_url")
    if url is not None and url.url and shop.free_url(url.url, "product", product_id) is None:
        errors["custom_url"] = f"The url {url.url} is already in use"
        del fields["custom_url"]
    return fields, errors


def brand_named(shop: Shop, name: Any) -> int:
    """The id of the brand of that name, made if there is none."""
    name = checked(BRAND, {"name": name})["name"]
    found = shop.brand_names.get(name.lower())
    if found is None:
        found = shop.next_id("brand")
        shop.put_brand(Brand(id=found, name=name, custom_url=CustomUrl(f"/{slug(name)}/")))
        shop.note_creation("brand", name)
    return found


def _own_url(shop: Shop, product: Product) -> CustomUrl:
    url = f"/{slug(product.name)}/"
    if shop.free_url(url, "product", product.id) is None:
        url = f"/{slug(product.name)}-{product.id}/"
    return CustomUrl(url)


def tidied(html: str) -> str:
    """HTML as an editor that knows better stores it."""
    return _UNWANTED.sub("", html).replace("\r\n", "\n").strip()


def slug(name: str) -> str:
    """A name as a part of a path."""
    return "-".join("".join(sign if sign.isalnum() else " " for sign in name.lower()).split()) or "item"
