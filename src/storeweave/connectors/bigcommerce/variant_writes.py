"""Writing variants: batches over all products, deletions one by one, and the base variant, which is never created.

A variant's option values cannot be changed; one whose values differ is deleted and made anew.
Source: PUT /catalog/variants, DELETE /catalog/products/{product_id}/variants/{variant_id}.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from storeweave.connectors.bigcommerce.batches import write_rows
from storeweave.connectors.bigcommerce.option_writes import delete
from storeweave.connectors.bigcommerce.payloads import Many, ProductData, VariantData
from storeweave.connectors.bigcommerce.product_bodies import parts_of, their_parts, variant_row, wanted_parts
from storeweave.connectors.bigcommerce.product_fields import key_number
from storeweave.connectors.bigcommerce.records import is_base, variant_parts
from storeweave.connectors.bigcommerce.session import Session, Tally
from storeweave.connectors.bigcommerce.verdicts import SYSTEM
from storeweave.model.errors import RefusedError, StoreweaveError, TransientError
from storeweave.model.records import Change, Fields

BATCH: Final = 50
PATH: Final = "/catalog/variants"
ONE: Final = "/catalog/products/{product_id}/variants/{variant_id}"
VARIANTS: Final = msgspec.json.Decoder(Many[VariantData], float_hook=Decimal)
MIRROR_DEFAULTS: Final[Fields] = {"purchasing_disabled": False, "purchasing_disabled_message": ""}


class VariantRow:
    """One row of a batch of variants: whose it is, what it says, and the key it has in its change."""

    def __init__(self, tally: Tally, key: str, body: dict[str, Any]) -> None:
        self.tally = tally
        self.key = key
        self.body = body


def is_base_part(fields: Fields) -> bool:
    return not fields.get("option_values")


def replaced(change: Change) -> list[str]:
    """Variants that have to be made anew because other option values are wanted of them."""
    before = their_parts(change, "variants")
    return [
        key
        for key, fields in parts_of(change, "variants").update.items()
        if "option_values" in fields and fields["option_values"] != before.get(key, {}).get("option_values")
    ]


async def delete_variants(session: Session, tally: Tally) -> None:
    """Delete what must go, before the option values that it uses.

    When all options go, their variants go with them; the base variant goes by itself when the first real one comes.
    """
    change = tally.change
    before = their_parts(change, "variants")
    options = their_parts(change, "options")
    if options and set(options) <= set(parts_of(change, "options").delete):
        return
    for key in [*parts_of(change, "variants").delete, *replaced(change)]:
        if not is_base_part(before.get(key, {"option_values": frozenset({key})})):
            await delete(session, tally, f"/catalog/products/{tally.key}/variants/{key}", template=ONE)


def rows_of(tally: Tally) -> list[VariantRow]:
    """What a change says to the batch of variants. Raises RefusedError or TransientError when it cannot be said."""
    change = tally.change
    parts = parts_of(change, "variants")
    wanted = wanted_parts(change, "variants")
    anew = replaced(change)
    rows: list[VariantRow] = []
    for key, fields in parts.update.items():
        if key in anew:
            continue
        told = {name: value for name, value in fields.items() if name != "option_values"}
        body = variant_row(told, is_new=False)
        if body:
            rows.append(VariantRow(tally, key, {"id": key_number("the variant", key), **body}))
    for key, fields in [*parts.create.items(), *((key, wanted[key]) for key in anew)]:
        if not is_base_part(fields):
            rows.append(VariantRow(tally, key, _new_row(tally, fields)))
    return rows


def _new_row(tally: Tally, fields: Fields) -> dict[str, Any]:
    if not fields.get("sku"):
        raise RefusedError(
            "a variant has no SKU and BigCommerce adds none without; give it one at the source", code="missing-sku"
        )
    values = wanted_parts(tally.change, "option_values")
    choices: list[dict[str, int]] = []
    keys: Any = fields["option_values"]
    for key in sorted(keys):
        option = values.get(key, {}).get("option")
        option_id = tally.part_key("options", str(option)) if option is not None else None
        value_id = tally.part_key("option_values", key)
        if option_id is None or value_id is None:
            raise TransientError(f"{SYSTEM} did not show the ids of the option values of variant {fields['sku']!r}")
        choices.append({"id": int(value_id), "option_id": int(option_id)})
    return {"product_id": int(str(tally.key)), **variant_row(fields, is_new=True), "option_values": choices}


def base_fields(change: Change) -> Fields | None:
    """What the base variant of a product is to be told; None when nothing."""
    parts = parts_of(change, "variants")
    before = their_parts(change, "variants")
    for fields in parts.create.values():
        if is_base_part(fields):
            return {name: fields.get(name, default) for name, default in MIRROR_DEFAULTS.items()}
    has_real = any(not is_base_part(fields) for fields in wanted_parts(change, "variants").values())
    if not has_real and not wanted_parts(change, "options"):
        for key in parts.delete:
            if key in before and is_base_part(before[key]):
                return MIRROR_DEFAULTS
    return None


def base_row(tally: Tally, fields: Fields, shown: ProductData) -> VariantRow:
    """The row of the base variant, whose id the product's own record doesn't have."""
    base = next((str(variant.id) for variant in shown.variants or () if is_base(variant)), None)
    if base is None and isinstance(shown.base_variant_id, int):
        base = str(shown.base_variant_id)
    if base is None:
        raise TransientError(f"{SYSTEM} did not show the base variant of product {tally.key}")
    keys = [key for key, part in parts_of(tally.change, "variants").create.items() if is_base_part(part)]
    return VariantRow(tally, keys[0] if keys else base, {"id": int(base), **variant_row(fields, is_new=False)})


async def write_variants(session: Session, rows: Sequence[VariantRow]) -> None:
    """Send all rows of all changes, 50 to a call; a bad row fails its own change only."""

    async def send(batch: Sequence[VariantRow]) -> Sequence[VariantRow]:
        tallies = list(dict.fromkeys(row.tally for row in batch))
        bodies = [row.body for row in batch]
        answer = await session.send(tallies, "PUT", PATH, bodies, expect=(200,), size=len(bodies))
        shown = session.decode(answer, VARIANTS, f"PUT {PATH}").data
        for row in batch:
            _learn(row, shown)
        if answer.problem is not None and len(batch) == 1:
            raise RefusedError(f"{SYSTEM} saved a variant only in part: {answer.problem}", code="partial")
        return batch if answer.problem is not None else ()

    def fail(row: VariantRow, error: StoreweaveError) -> None:
        row.tally.fail(error)

    await write_rows(rows, send, fail, most=BATCH)


def _learn(row: VariantRow, shown: Sequence[VariantData]) -> None:
    """Find a row's variant in the answer, by id, by option values or by SKU; one not shown is learnt by a read."""
    for variant in shown:
        if _is_same(row.body, variant):
            if row.key != str(variant.id):
                row.tally.learn_part("variants", row.key, str(variant.id))
            row.tally.show_parts("variants", variant_parts([variant]))
            return


def _is_same(body: dict[str, Any], variant: VariantData) -> bool:
    if "id" in body:
        return bool(body["id"] == variant.id)
    if body["product_id"] != variant.product_id:
        return False
    if variant.option_values:
        return {choice.id for choice in variant.option_values} == {choice["id"] for choice in body["option_values"]}
    return bool(variant.sku) and body["sku"] == variant.sku
