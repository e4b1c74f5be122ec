"""Their JSON as our Records. Pure: no calls, no clock.

A Record has only what the answer showed. Its digest is over what both a scan and a read show, so it leaves out options
(whose type and settings only a read has), times, counters and the addresses of pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from storeweave.connectors.bigcommerce.payloads import (
    BrandData,
    BulkRuleData,
    CategoryData,
    CustomFieldData,
    ImageData,
    OptionData,
    ProductData,
    VariantData,
    VideoData,
)
from storeweave.connectors.bigcommerce.product_fields import (
    PRODUCT_ROWS,
    VARIANT_ROWS,
    as_count,
    as_flag,
    as_text,
    as_words,
    instant,
    read_rows,
)
from storeweave.model.encoding import record_digest
from storeweave.model.kinds import Key, Kind
from storeweave.model.money import canonical_text
from storeweave.model.records import Fields, Record, Value

SCAN_OMITS: Final = frozenset({"options", "option_values"})
_SORTED_JSON = msgspec.json.Encoder(order="deterministic", decimal_format="number")


def product_record(data: ProductData, *, currency: str | None, listing: Mapping[int, str] | None = None) -> Record:
    """One product. ``listing``: states on the configured channel by product id, where there is such a channel."""
    fields = read_rows(data, PRODUCT_ROWS)
    if _has_summed_stock(data):
        fields.pop("inventory_level", None)
    if data.custom_fields is not UNSET:
        fields["custom_fields"] = frozenset(map(custom_field_row, data.custom_fields))
    if data.bulk_pricing_rules is not UNSET:
        fields["bulk_pricing"] = frozenset(map(bulk_rule_row, data.bulk_pricing_rules))
    if data.videos is not UNSET:
        fields["videos"] = frozenset(map(video_row, data.videos))
    if listing is not None:
        fields["listing_state"] = listing.get(data.id)
    parts: dict[str, Mapping[str, Fields]] = {}
    shown: dict[str, Mapping[str, Fields]] = {}
    if data.variants is not UNSET:
        parts["variants"] = shown["variants"] = variant_parts(data.variants)
    if data.options is not UNSET:
        parts["options"], parts["option_values"] = option_parts(data.options)
    if data.images is not UNSET:
        parts["images"], shown["images"] = image_parts(data.images)
    name, sku = data.name or "", data.sku or ""
    return Record(
        kind=Kind.PRODUCT,
        key=Key(str(data.id)),
        fields=fields,
        parts=parts,
        matches=tuple(product_matches(name, sku, parts.get("variants", {}))),
        digest=record_digest(fields, shown),
        modified_at=instant(data.date_modified if isinstance(data.date_modified, str) else None),
        currency=currency,
        title=name,
    )


def _has_summed_stock(data: ProductData) -> bool:
    """Whether the product's stock level is but the sum of its variants', which nobody can write."""
    if data.inventory_tracking != "variant":
        return False
    return data.variants is UNSET or not all(map(is_base, data.variants))


def product_matches(name: str, sku: str, variants: Mapping[str, Fields]) -> Iterable[str]:
    """Natural identities of a product, the best first."""
    if sku:
        yield f"sku:{sku}"
    for fields in variants.values():
        variant_sku = fields.get("sku")
        if variant_sku and variant_sku != sku:
            yield f"variant-sku:{variant_sku}"
    if name:
        yield f"name:{name}"


def is_base(variant: VariantData) -> bool:
    """Whether this is the variant that a product without options has."""
    return not variant.option_values


def variant_parts(variants: Sequence[VariantData]) -> dict[str, Fields]:
    """Variants by id.

    The base variant mirrors its product, so it is one of our parts only when it says something that the product cannot
    say (that it may not be bought, and why), and then with nothing else.
    """
    parts: dict[str, Fields] = {}
    for variant in variants:
        if is_base(variant):
            if variant.purchasing_disabled or variant.purchasing_disabled_message:
                parts[str(variant.id)] = {
                    "option_values": frozenset(),
                    "purchasing_disabled": as_flag(_known(variant.purchasing_disabled)),
                    "purchasing_disabled_message": as_text(_known(variant.purchasing_disabled_message)),
                }
            continue
        fields = read_rows(variant, VARIANT_ROWS)
        if variant.option_values:
            fields["option_values"] = frozenset([str(choice.id) for choice in variant.option_values])
        parts[str(variant.id)] = fields
    return parts


def _known(value: Any) -> Any:
    return None if value is UNSET else value


def option_parts(options: Sequence[OptionData]) -> tuple[dict[str, Fields], dict[str, Fields]]:
    """Options and their values, each by id."""
    ours: dict[str, Fields] = {}
    values: dict[str, Fields] = {}
    for option in options:
        ours[str(option.id)] = {
            "name": option.display_name,
            "type": option.type,
            "sort_order": option.sort_order,
            "config": vendor_json(option.config),
        }
        for value in option.option_values:
            values[str(value.id)] = {
                "option": str(option.id),
                "label": value.label,
                "sort_order": value.sort_order,
                "is_default": bool(value.is_default),
                "value_data": vendor_json(value.value_data),
            }
    return ours, values


def vendor_json(data: Any) -> str | None:
    """A structure that we carry without looking into it; empty ones, however spelt, are None."""
    return _SORTED_JSON.encode(data).decode() if data else None


def image_parts(images: Sequence[ImageData]) -> tuple[dict[str, Fields], dict[str, Fields]]:
    """Images by id, and what of them goes into the digest: the file's name, but no address."""
    parts: dict[str, Fields] = {}
    shown: dict[str, Fields] = {}
    for image in images:
        seen: dict[str, Value] = {
            "description": image.description or "",
            "sort_order": image.sort_order or 0,
            "is_thumbnail": bool(image.is_thumbnail),
        }
        parts[str(image.id)] = {**seen, "url": image.url_zoom or image.url_standard or ""}
        shown[str(image.id)] = {**seen, "file": image.image_file}
    return parts, shown


def custom_field_row(field: CustomFieldData) -> tuple[str, ...]:
    return (field.name, field.value)


def bulk_rule_row(rule: BulkRuleData) -> tuple[str, ...]:
    return (str(rule.quantity_min), str(rule.quantity_max), rule.type, canonical_text(rule.amount))


def video_row(video: VideoData) -> tuple[str, ...]:
    return (
        video.type or "youtube",
        video.video_id,
        video.title or "",
        video.description or "",
        str(video.sort_order or 0),
    )


CATEGORY_ROWS: Final = (
    ("description", as_text),
    ("sort_order", as_count),
    ("is_visible", as_flag),
    ("page_title", as_text),
    ("meta_keywords", as_words),
    ("meta_description", as_text),
    ("search_keywords", as_text),
    ("layout_file", as_text),
    ("default_product_sort", as_text),
    ("image_url", as_text),
)
BRAND_ROWS: Final = (
    ("page_title", as_text),
    ("meta_keywords", as_words),
    ("meta_description", as_text),
    ("search_keywords", as_text),
    ("image_url", as_text),
)


def category_record(data: CategoryData, *, path: Sequence[str] | None) -> Record:
    """One category. ``path``: its own name and those above it, from the root; None when the way up is not known."""
    fields: dict[str, Value] = {"name": data.name, "parent": str(data.parent_id) if data.parent_id else None}
    for name, read in CATEGORY_ROWS:
        value = getattr(data, name)
        if value is not UNSET:
            fields[name] = read(value)
    if data.url is not UNSET:
        fields["url_path"] = (data.url.path or "") if data.url is not None else ""
    return Record(
        kind=Kind.CATEGORY,
        key=Key(str(data.category_id)),
        fields=fields,
        matches=(path_match(path),) if path else (),
        digest=digest_of(fields),
        title=" / ".join(path) if path else data.name,
    )


def path_match(names: Sequence[str]) -> str:
    """The natural identity of a category: its path in small letters, with a backslash before slashes in names."""
    return "path:" + "/".join(name.strip().casefold().replace("\\", "\\\\").replace("/", "\\/") for name in names)


def brand_record(data: BrandData) -> Record:
    """One brand."""
    fields: dict[str, Value] = {"name": data.name}
    for name, read in BRAND_ROWS:
        value = getattr(data, name)
        if value is not UNSET:
            fields[name] = read(value)
    if data.custom_url is not UNSET:
        fields["url_path"] = (data.custom_url.url or "") if data.custom_url is not None else ""
    return Record(
        kind=Kind.BRAND,
        key=Key(str(data.id)),
        fields=fields,
        matches=(f"name:{data.name.strip().casefold()}",),
        digest=digest_of(fields),
        title=data.name,
    )


def digest_of(fields: Fields) -> bytes:
    """Digest of a record without parts."""
    return record_digest(fields, {})
