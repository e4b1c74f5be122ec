"""Creating one product: a single POST for all of it, then the corrections that BigCommerce's defaults ask for.

Variants in the body make options of themselves, with a type and an order that BigCommerce chooses; options that should
be otherwise are said once more, one call each.
Source: POST /catalog/products; note that a product is created even when the answer is 207.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from storeweave.connectors.bigcommerce.client import Answer
from storeweave.connectors.bigcommerce.option_writes import differs, learn_option, put_option, write_options
from storeweave.connectors.bigcommerce.payloads import One, OptionData, ProductData, VariantData
from storeweave.connectors.bigcommerce.product_bodies import (
    create_body,
    new_images,
    new_variants,
    ordered_options,
    ordered_values,
    parts_of,
)
from storeweave.connectors.bigcommerce.product_reads import ProductReads
from storeweave.connectors.bigcommerce.records import is_base, product_record
from storeweave.connectors.bigcommerce.session import Session, Tally
from storeweave.connectors.bigcommerce.variant_writes import base_fields, base_row, write_variants
from storeweave.connectors.bigcommerce.verdicts import SYSTEM
from storeweave.model.errors import RefusedError
from storeweave.model.kinds import Key
from storeweave.model.records import Record

PATH: Final = "/catalog/products"
PRODUCT: Final = msgspec.json.Decoder(One[ProductData], float_hook=Decimal)


async def create_product(session: Session, tally: Tally, *, reads: ProductReads) -> None:
    """POST it, learn all ids, correct its options. Images that spoil the POST are left for later, one by one."""
    answer = await _post(session, tally)
    envelope = session.decode(answer, PRODUCT, f"POST {PATH}")
    data = envelope.data[0] if isinstance(envelope.data, list) else envelope.data
    tally.key = Key(str(data.id))
    if data.variants is UNSET and new_variants(tally.change):
        data = (await reads.whole([data.id], session.permit)).get(data.id, data)
    learn_parts(tally, data)
    tally.record = shown_record(data, tally, currency=reads.currency)
    await _correct_options(session, tally, data)
    told = base_fields(tally.change)
    if told is not None and (told["purchasing_disabled"] or told["purchasing_disabled_message"]):
        await write_variants(session, [base_row(tally, told, data)])
    if answer.problem is not None:
        raise RefusedError(f"{SYSTEM} created it only in part: {answer.problem}", code="partial")


async def _post(session: Session, tally: Tally) -> Answer:
    images = bool(new_images(tally.change))
    body = create_body(tally.change, with_images=True)
    try:
        return await session.send([tally], "POST", PATH, body)
    except RefusedError as error:
        if not images or "image" not in str(error).lower() or error.code == "duplicate":
            raise
    return await session.send([tally], "POST", PATH, create_body(tally.change, with_images=False))


async def _correct_options(session: Session, tally: Tally, data: ProductData) -> None:
    """Options that came of the variants are made what they should be; those without variants are made at all."""
    if not ordered_options(tally.change):
        return
    if not new_variants(tally.change):
        await write_options(session, tally)
        return
    shown: dict[str, OptionData] = {}
    if data.options is not UNSET:
        shown = {str(option.id): option for option in data.options}
    for key, fields in ordered_options(tally.change):
        option = shown.get(tally.part_key("options", key) or "")
        if option is None or differs(tally.change, key, option):
            await put_option(session, tally, key, fields)


def learn_parts(tally: Tally, data: ProductData) -> None:
    """Take the ids of everything that came with a new product from the answer."""
    _learn_options(tally, data)
    _learn_variants(tally, data.variants if data.variants is not UNSET else [])
    images = [] if data.images is UNSET else sorted(data.images, key=lambda image: image.id)
    sent = new_images(tally.change)
    if len(images) == len(sent):  # they are numbered as they were sent
        for (key, _), image in zip(sent, images, strict=True):
            tally.learn_part("images", key, str(image.id))


def _learn_options(tally: Tally, data: ProductData) -> None:
    """By names and labels: from the options where they are shown, else from what the variants say of them."""
    by_name: dict[str, OptionData] = {}
    if data.options is not UNSET:
        by_name = {option.display_name: option for option in data.options}
    options: dict[str, str] = {}
    values: dict[tuple[str, str], str] = {}
    for variant in data.variants or ():
        for choice in variant.option_values or ():
            options[choice.option_display_name] = str(choice.option_id)
            values[choice.option_display_name, choice.label] = str(choice.id)
    for key, fields in ordered_options(tally.change):
        name = str(fields.get("name"))
        if name in by_name:
            learn_option(tally, key, by_name[name])
        elif name in options:
            tally.learn_part("options", key, options[name])
            for value, value_fields in ordered_values(tally.change, key):
                found = values.get((name, str(value_fields.get("label"))))
                if found is not None:
                    tally.learn_part("option_values", value, found)


def _learn_variants(tally: Tally, variants: list[VariantData]) -> None:
    by_values = {frozenset(str(choice.id) for choice in v.option_values or ()): str(v.id) for v in variants}
    by_sku = {variant.sku: str(variant.id) for variant in variants if variant.sku and not is_base(variant)}
    for key, fields in parts_of(tally.change, "variants").create.items():
        wanted: Any = fields.get("option_values") or frozenset()
        known = frozenset(tally.part_key("option_values", value) or "" for value in wanted)
        found = by_values.get(known) or by_sku.get(str(fields.get("sku") or ""))
        if found is not None:
            tally.learn_part("variants", key, found)


def shown_record(data: ProductData, tally: Tally, *, currency: str | None) -> Record:
    """What a write's answer shows, without collections that later steps of the same change will still move.

    It has no digest: an answer shows less than a scan.
    """
    if tally.change.key is not None and tally.change.parts:
        data = replace(data, variants=UNSET, images=UNSET)
    data = replace(data, options=UNSET)
    return replace(product_record(data, currency=currency), digest=b"")
