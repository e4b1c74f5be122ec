"""Options of products and the choices that make variants; also what a new product's ``variants`` array becomes."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin.checks import OPTION, OPTION_VALUE, checked
from storeweave.connectors.bigcommerce.twin.goods import Choice, Entry, Option, OptionValue, Variant
from storeweave.connectors.bigcommerce.twin.render import one, paged
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.connectors.bigcommerce.twin.variants import new_variant, require_room
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

MOST_VALUES = 250


def with_variants(shop: Shop, entry: Entry, bodies: Any) -> Entry:
    """The variants of a new product; options come into being as their names and labels are first met."""
    if not isinstance(bodies, list):
        raise Refusal(422, "JSON data is missing or invalid", {"variants": "variants must be an array"})
    require_room(len(bodies))
    if len(bodies) == 1 and not bodies[0].get("option_values"):
        return entry
    options: dict[str, list[OptionValue]] = {}
    numbers: dict[str, int] = {}
    choices: dict[tuple[str, str], Choice] = {}
    variants: list[Variant] = []
    for at, body in enumerate(bodies):
        named: list[Choice] = []
        for value in body.get("option_values") or ():
            name, label = value.get("option_display_name"), value.get("label")
            if not isinstance(name, str) or not isinstance(label, str) or not name or not label:
                raise Refusal(
                    422,
                    "JSON data is missing or invalid",
                    {f"variants.{at}.option_values": "option_display_name and label are required"},
                )
            choice = choices.get((name, label))
            if choice is None:
                number = numbers.setdefault(name, shop.next_id("option") if name not in numbers else 0)
                values = options.setdefault(name, [])
                choice = Choice(shop.next_id("option_value"), label, number, name)
                values.append(OptionValue(id=choice.id, label=label, sort_order=len(values)))
                choices[name, label] = choice
            named.append(choice)
        if not named:
            raise Refusal(422, "JSON data is missing or invalid", {f"variants.{at}": "option_values is required"})
        variants.append(new_variant(shop, entry.product, body, tuple(named)))
    if any(len(variant.option_values) != len(options) for variant in variants):
        raise Refusal(422, "JSON data is missing or invalid", {"variants": "every variant needs every option"})
    if len({variant.option_values for variant in variants}) != len(variants):
        raise Refusal(409, "The variant is a duplicate", {"variants": "two variants have the same option values"})
    made = tuple(
        Option(
            id=numbers[name],
            product_id=entry.product.id,
            name=f"{name}{entry.product.id}",
            display_name=name,
            sort_order=at,
            option_values=tuple(values),
        )
        for at, (name, values) in enumerate(options.items())
    )
    return replace(entry, variants=tuple(variants), options=made)


def list_options(shop: Shop, call: Call, product_id: int) -> Answer:
    entry = shop.shown(product_id)
    if entry is None:
        raise Refusal(404, "The resource was not found.")
    return paged(call, entry.options)


def get_option(shop: Shop, call: Call, product_id: int, option_id: int) -> Answer:
    del call
    return one(encode(_find(shop.entry(product_id), option_id)))


def create_option(shop: Shop, call: Call, product_id: int) -> Answer:
    """A new option; it makes no variants."""
    entry = shop.entry(product_id)
    body = call.json()
    fields = checked(OPTION, body, required=("display_name", "type", "option_values"))
    _require_new_name(entry, fields["display_name"], 0)
    number = shop.next_id("option")
    option = Option(
        id=number,
        product_id=product_id,
        name=f"{fields['display_name']}{product_id}",
        **{"sort_order": len(entry.options), **fields},
    )
    option = replace(option, option_values=_values(shop, option, body["option_values"]))
    if not option.option_values:
        raise Refusal(422, "JSON data is missing or invalid", {"option_values": "at least one is required"})
    _put(shop, replace(entry, options=(*entry.options, option)))
    shop.note_creation(f"option of product {product_id}", option.display_name)
    return one(encode(option))


def update_option(shop: Shop, call: Call, product_id: int, option_id: int) -> Answer:
    """Values with an id are changed, others added; none is removed."""
    entry = shop.entry(product_id)
    option = _find(entry, option_id)
    body = call.json()
    fields = checked(OPTION, body)
    if "display_name" in fields:
        _require_new_name(entry, fields["display_name"], option_id)
    option = replace(option, **fields)
    if "option_values" in body:
        option = replace(option, option_values=_values(shop, option, body["option_values"]))
    _put(shop, _with_option(entry, option))
    return one(encode(option))


def delete_option(shop: Shop, call: Call, product_id: int, option_id: int) -> Answer:
    """The variants lose this choice; those that become equal are made one, anew, and announced as created."""
    del call
    entry = shop.entry(product_id)
    _find(entry, option_id)
    options = tuple(option for option in entry.options if option.id != option_id)
    kept: dict[tuple[Choice, ...], Variant] = {}
    for variant in entry.variants if entry.has_choices else ():
        choices = tuple(choice for choice in variant.option_values if choice.option_id != option_id)
        if choices not in kept:
            kept[choices] = replace(variant, id=shop.next_id("variant"), option_values=choices)
    had_choices = entry.has_choices
    entry = replace(entry, options=options)
    if had_choices:
        left = tuple(kept.values()) if options else (_base(shop, entry),)
        entry = replace(entry, variants=left)
    entry = _put(shop, entry)
    if had_choices:
        shop.announcer.skus("created", product_id, (variant.id for variant in entry.variants))
    return Answer(204)


def list_values(shop: Shop, call: Call, product_id: int, option_id: int) -> Answer:
    return paged(call, _find(shop.entry(product_id), option_id).option_values)


def get_value(shop: Shop, call: Call, product_id: int, option_id: int, value_id: int) -> Answer:
    del call
    return one(encode(_find_value(_find(shop.entry(product_id), option_id), value_id)))


def create_value(shop: Shop, call: Call, product_id: int, option_id: int) -> Answer:
    entry = shop.entry(product_id)
    option = _find(entry, option_id)
    body = call.json()
    checked(OPTION_VALUE, body, required=("label", "sort_order"))
    option = replace(option, option_values=_values(shop, option, [{**body, "id": None}]))
    _put(shop, _with_option(entry, option))
    return one(encode(option.option_values[-1]))


def update_value(shop: Shop, call: Call, product_id: int, option_id: int, value_id: int) -> Answer:
    entry = shop.entry(product_id)
    option = _find(entry, option_id)
    _find_value(option, value_id)
    option = replace(option, option_values=_values(shop, option, [{**call.json(), "id": value_id}]))
    _put(shop, _with_option(entry, option))
    return one(encode(_find_value(option, value_id)))


def delete_value(shop: Shop, call: Call, product_id: int, option_id: int, value_id: int) -> Answer:
    """The variants that have this value vanish with it, and no webhook tells of them."""
    del call
    entry = shop.entry(product_id)
    option = _find(entry, option_id)
    _find_value(option, value_id)
    left = tuple(value for value in option.option_values if value.id != value_id)
    entry = replace(
        entry,
        options=tuple(replace(old, option_values=left) if old.id == option_id else old for old in entry.options),
    )
    if entry.has_choices:
        variants = tuple(
            variant for variant in entry.variants if all(choice.id != value_id for choice in variant.option_values)
        )
        entry = replace(entry, variants=variants or (_base(shop, entry),))
    _put(shop, entry)
    return Answer(204)


def _values(shop: Shop, option: Option, bodies: Any) -> tuple[OptionValue, ...]:
    if not isinstance(bodies, list) or not all(isinstance(body, dict) for body in bodies):
        raise Refusal(422, "JSON data is missing or invalid", {"option_values": "must be an array of objects"})
    values = list(option.option_values)
    for body in bodies:
        fields = checked(OPTION_VALUE, body)
        number = body.get("id")
        if number is None:
            if "label" not in fields:
                raise Refusal(422, "JSON data is missing or invalid", {"label": "label is required"})
            values.append(OptionValue(id=shop.next_id("option_value"), **{"sort_order": len(values), **fields}))
        else:
            at = values.index(_find_value(option, number))
            values[at] = replace(values[at], **fields)
    labels = [value.label.lower() for value in values]
    if len(set(labels)) != len(labels):
        raise Refusal(409, "The option value is a duplicate", {"label": "two values have the same label"})
    if len(values) > MOST_VALUES:
        raise Refusal(422, "Too many option values", {"option_values": f"at most {MOST_VALUES}"})
    return tuple(values)


def _with_option(entry: Entry, option: Option) -> Entry:
    """A changed option; variants show its new names."""
    options = tuple(option if old.id == option.id else old for old in entry.options)
    labels = {value.id: value.label for value in option.option_values}
    renamed: dict[Choice, Choice] = {}

    def anew(choice: Choice) -> Choice:
        if choice.option_id != option.id:
            return choice
        if choice not in renamed:
            renamed[choice] = replace(choice, label=labels[choice.id], option_display_name=option.display_name)
        return renamed[choice]

    variants = tuple(
        replace(variant, option_values=tuple(anew(choice) for choice in variant.option_values))
        for variant in entry.variants
    )
    return replace(entry, options=options, variants=variants)


def _require_new_name(entry: Entry, name: str, option_id: int) -> None:
    if any(option.display_name.lower() == name.lower() and option.id != option_id for option in entry.options):
        raise Refusal(409, "The option is a duplicate", {"display_name": f"there is an option {name}"})


def _base(shop: Shop, entry: Entry) -> Variant:
    return Variant(id=shop.next_id("variant"), product_id=entry.product.id)


def _put(shop: Shop, entry: Entry) -> Entry:
    return shop.put(entry, moves_date=shop.settings.parts_move_date)


def _find(entry: Entry, option_id: int) -> Option:
    for option in entry.options:
        if option.id == option_id:
            return option
    raise Refusal(404, "The resource was not found.")


def _find_value(option: Option, value_id: int) -> OptionValue:
    for value in option.option_values:
        if value.id == value_id:
            return value
    raise Refusal(404, "The resource was not found.")


_MANY = "/catalog/products/{product_id}/options"
_ONE = "/catalog/products/{product_id}/options/{option_id}"
ROUTES = [
    Route(method="GET", template=_MANY, handler=list_options),
    Route(method="POST", template=_MANY, handler=create_option),
    Route(method="GET", template=_ONE, handler=get_option),
    Route(method="PUT", template=_ONE, handler=update_option),
    Route(method="DELETE", template=_ONE, handler=delete_option),
    Route(method="GET", template=f"{_ONE}/values", handler=list_values),
    Route(method="POST", template=f"{_ONE}/values", handler=create_value),
    Route(method="GET", template=f"{_ONE}/values/{{value_id}}", handler=get_value),
    Route(method="PUT", template=f"{_ONE}/values/{{value_id}}", handler=update_value),
    Route(method="DELETE", template=f"{_ONE}/values/{{value_id}}", handler=delete_value),
]
