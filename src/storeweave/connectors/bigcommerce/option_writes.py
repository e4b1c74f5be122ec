"""Writing the options of products and their values: never deleted to be renamed, as few calls as correctness allows.

Nothing here relies on what a PUT of an option does with values that it doesn't list: all wanted ones are listed, and
what must go is deleted by its own call.
Source: product-variant-options_catalog.v3.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from storeweave.connectors.bigcommerce.payloads import One, OptionData, OptionValueData
from storeweave.connectors.bigcommerce.product_bodies import (
    option_body,
    order,
    ordered_options,
    ordered_values,
    parts_of,
    their_parts,
    value_body,
    wanted_parts,
)
from storeweave.connectors.bigcommerce.records import vendor_json
from storeweave.connectors.bigcommerce.session import Session, Tally
from storeweave.connectors.bigcommerce.verdicts import SYSTEM
from storeweave.model.errors import RefusedError, TransientError
from storeweave.model.records import Change, Fields

OPTION: Final = msgspec.json.Decoder(One[OptionData], float_hook=Decimal)
VALUE: Final = msgspec.json.Decoder(One[OptionValueData], float_hook=Decimal)
MANY: Final = "/catalog/products/{product_id}/options"
ONE: Final = f"{MANY}/{{option_id}}"
VALUES: Final = f"{ONE}/values"
ONE_VALUE: Final = f"{VALUES}/{{value_id}}"


async def delete_options(session: Session, tally: Tally) -> None:
    """Delete values and options that must go. Their variants are gone already."""
    change = tally.change
    going = parts_of(change, "options").delete
    before = their_parts(change, "option_values")
    for key in parts_of(change, "option_values").delete:
        option = before.get(key, {}).get("option")
        if not isinstance(option, str):
            raise TransientError(f"of which option the value {key} is, is not known; the product must be read first")
        if option in going:
            continue  # it goes with its option
        path = f"{_options(tally)}/{option}/values/{key}"
        await delete(session, tally, path, template=ONE_VALUE)
    for key in going:
        await delete(session, tally, f"{_options(tally)}/{key}", template=ONE)


async def delete(session: Session, tally: Tally, path: str, *, template: str) -> None:
    """DELETE one part. That it is not there any more is what was wanted."""
    try:
        await session.send([tally], "DELETE", path, expect=(204,), template=template)
    except RefusedError as error:
        if error.code != "missing":
            raise


async def write_options(session: Session, tally: Tally) -> None:
    """Create and change options and values, in the order in which they should stand."""
    change = tally.change
    options, values = parts_of(change, "options"), parts_of(change, "option_values")
    told = {*options.create, *options.update, *values.create, *values.update}
    for key, fields in ordered_options(change):
        listed = [value for value, _ in ordered_values(change, key)]
        told -= {key, *listed}
        new = [value for value in listed if value in values.create]
        changed = [value for value in listed if value in values.update]
        if key in options.create:
            await _create(session, tally, key, fields)
        elif len(new) + len(changed) + (1 if key in options.update else 0) > 1:
            await put_option(session, tally, key, fields)
        elif key in options.update:
            body = option_body(options.update[key])
            if body:
                path = f"{_options(tally)}/{key}"
                answer = await session.send([tally], "PUT", path, body, template=ONE)
                session.decode(answer, OPTION, "the option")
        else:
            await _write_value(session, tally, key, fields, new, changed)
    if told:
        raise TransientError(f"to which option {', '.join(sorted(told))} belong is not known; read the product first")


async def _create(session: Session, tally: Tally, key: str, fields: Fields) -> None:
    values = ordered_values(tally.change, key)
    if not values:
        raise RefusedError(f"option {fields.get('name')!r} has no values; BigCommerce needs one", code="invalid")
    swatch = fields.get("type") == "swatch"
    body = {"type": "dropdown", **option_body(fields)}
    body["option_values"] = [value_body(value, is_swatch=swatch) for _, value in values]
    answer = await session.send([tally], "POST", _options(tally), body, template=MANY)
    learn_option(tally, key, _one(session.decode(answer, OPTION, "the new option")))


async def put_option(session: Session, tally: Tally, key: str, fields: Fields) -> None:
    """Say the whole option with all its wanted values: known ones by id, new ones without."""
    known = tally.part_key("options", key)
    if known is None:
        raise TransientError(f"{SYSTEM} did not show the id of option {fields.get('name')!r}")
    swatch = fields.get("type") == "swatch"
    listed: list[dict[str, Any]] = []
    for value, value_fields in ordered_values(tally.change, key):
        value_id = tally.part_key("option_values", value)
        body = value_body(value_fields, is_swatch=swatch)
        listed.append({"id": int(value_id), **body} if value_id is not None else body)
    body = option_body(fields)
    if listed:
        body["option_values"] = listed
    answer = await session.send([tally], "PUT", f"{_options(tally)}/{known}", body, template=ONE)
    learn_option(tally, key, _one(session.decode(answer, OPTION, "the option")))


async def _write_value(
    session: Session, tally: Tally, option: str, option_fields: Fields, new: list[str], changed: list[str]
) -> None:
    values = wanted_parts(tally.change, "option_values")
    swatch = option_fields.get("type") == "swatch"
    path = f"{_options(tally)}/{option}/values"
    for key in new:
        answer = await session.send([tally], "POST", path, value_body(values[key], is_swatch=swatch), template=VALUES)
        tally.learn_part("option_values", key, str(_one(session.decode(answer, VALUE, "the new option value")).id))
    for key in changed:
        body = value_body(values[key], is_swatch=swatch)
        answer = await session.send([tally], "PUT", f"{path}/{key}", body, template=ONE_VALUE)
        session.decode(answer, VALUE, "the option value")


def learn_option(tally: Tally, key: str, shown: OptionData) -> None:
    """Take the ids of an option and its values from an answer; values are told apart by their labels."""
    if key.startswith("+"):
        tally.learn_part("options", key, str(shown.id))
    by_label = {value.label: str(value.id) for value in shown.option_values}
    for value, fields in ordered_values(tally.change, key):
        label = fields.get("label")
        if value.startswith("+") and isinstance(label, str) and label in by_label:
            tally.learn_part("option_values", value, by_label[label])


def differs(change: Change, key: str, shown: OptionData) -> bool:
    """Whether an option that a product's creation made of itself is not yet as it should be."""
    fields = wanted_parts(change, "options")[key]
    if fields.get("type") not in {None, shown.type} or order(fields) != shown.sort_order:
        return True
    if fields.get("config") and fields.get("config") != vendor_json(shown.config):
        return True
    by_label = {value.label: value for value in shown.option_values}
    for _, wanted in ordered_values(change, key):
        value = by_label.get(str(wanted.get("label")))
        if value is None or order(wanted) != value.sort_order:
            return True
        if wanted.get("value_data") and wanted.get("value_data") != vendor_json(value.value_data):
            return True
        if fields.get("type") != "swatch" and bool(wanted.get("is_default")) != bool(value.is_default):
            return True
    return False


def _options(tally: Tally) -> str:
    return f"/catalog/products/{tally.key}/options"


def _one(envelope: Any) -> Any:
    return envelope.data[0] if isinstance(envelope.data, list) else envelope.data
