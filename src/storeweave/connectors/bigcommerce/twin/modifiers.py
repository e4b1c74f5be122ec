"""Modifiers: questions to the buyer that make no variants, with values of their own."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin.checks import MODIFIER, OPTION_VALUE, checked
from storeweave.connectors.bigcommerce.twin.goods import Entry, Modifier, OptionValue
from storeweave.connectors.bigcommerce.twin.render import one, paged
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

INVALID = "JSON data is missing or invalid"


def list_modifiers(shop: Shop, call: Call, product_id: int) -> Answer:
    entry = shop.shown(product_id)
    if entry is None:
        raise Refusal(404, "The resource was not found.")
    return paged(call, entry.modifiers)


def get_modifier(shop: Shop, call: Call, product_id: int, modifier_id: int) -> Answer:
    del call
    return one(encode(_find(shop.entry(product_id), modifier_id)))


def create_modifier(shop: Shop, call: Call, product_id: int) -> Answer:
    entry = shop.entry(product_id)
    body = call.json()
    fields = checked(MODIFIER, body, required=("type", "required"))
    name = fields.setdefault("display_name", "")
    if any(other.display_name == name for other in entry.modifiers):
        raise Refusal(409, "The modifier is a duplicate", {"display_name": f"there is a modifier {name}"})
    modifier = Modifier(
        id=shop.next_id("modifier"),
        product_id=product_id,
        name=f"{name}{product_id}",
        **{"sort_order": len(entry.modifiers), **fields},
    )
    modifier = replace(modifier, option_values=_values(shop, modifier, body.get("option_values", [])))
    _put(shop, replace(entry, modifiers=(*entry.modifiers, modifier)))
    return one(encode(modifier))


def update_modifier(shop: Shop, call: Call, product_id: int, modifier_id: int) -> Answer:
    """Values with an id are changed, others added; none is removed."""
    entry = shop.entry(product_id)
    body = call.json()
    modifier = replace(_find(entry, modifier_id), **checked(MODIFIER, body))
    if "option_values" in body:
        modifier = replace(modifier, option_values=_values(shop, modifier, body["option_values"]))
    _put(shop, replace(entry, modifiers=tuple(modifier if old.id == modifier_id else old for old in entry.modifiers)))
    return one(encode(modifier))


def delete_modifier(shop: Shop, call: Call, product_id: int, modifier_id: int) -> Answer:
    """Of all changes of modifiers, only this one announces the product."""
    del call
    entry = shop.entry(product_id)
    _find(entry, modifier_id)
    _put(shop, replace(entry, modifiers=tuple(old for old in entry.modifiers if old.id != modifier_id)))
    shop.announcer.product("updated", product_id)
    return Answer(204)


def _values(shop: Shop, modifier: Modifier, bodies: Any) -> tuple[OptionValue, ...]:
    if not isinstance(bodies, list):
        raise Refusal(422, INVALID, {"option_values": "must be an array"})
    values = {value.id: value for value in modifier.option_values}
    for body in bodies:
        fields = checked(OPTION_VALUE, body)
        old = values.get(body.get("id"))
        if old is None and "label" not in fields:
            raise Refusal(422, INVALID, {"label": "label is required"})
        if old is None:
            number = shop.next_id("option_value")
            values[number] = OptionValue(id=number, **{"sort_order": len(values), **fields})
        else:
            values[old.id] = replace(old, **fields)
    return tuple(values.values())


def _find(entry: Entry, modifier_id: int) -> Modifier:
    for modifier in entry.modifiers:
        if modifier.id == modifier_id:
            return modifier
    raise Refusal(404, "The resource was not found.")


def _put(shop: Shop, entry: Entry) -> None:
    shop.put(entry, moves_date=shop.settings.parts_move_date)


_MANY = "/catalog/products/{product_id}/modifiers"
_ONE = "/catalog/products/{product_id}/modifiers/{modifier_id}"
ROUTES = [
    Route(method="GET", template=_MANY, handler=list_modifiers),
    Route(method="POST", template=_MANY, handler=create_modifier),
    Route(method="GET", template=_ONE, handler=get_modifier),
    Route(method="PUT", template=_ONE, handler=update_modifier),
    Route(method="DELETE", template=_ONE, handler=delete_modifier),
]
