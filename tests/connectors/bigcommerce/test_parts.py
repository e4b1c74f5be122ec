"""Variants, options, values, images and rows of products: in the right order, by the fewest calls, ids kept."""

from __future__ import annotations

from decimal import Decimal

from storeweave.model.errors import (
    RefusedError,
)
from storeweave.model.kinds import Kind
from storeweave.model.records import Fields, PartsChange, Record
from tests.connectors.bigcommerce.seat import PICTURES, Seat, big_product, new, update

BARE: Fields = {"name": "Mug", "sku": "MUG", "price": Decimal("12.5"), "weight": Decimal(1)}


async def made(seat: Seat, sku: str = "BIG", labels: tuple[str, ...] = ("S", "M", "L"), images: int = 2) -> Record:
    (outcome,) = await seat.written(big_product(labels, sku=sku, images=images))
    assert outcome.key is not None
    record = await seat.read(outcome.key)
    seat.wire.calls.clear()
    seat.twin.calls.reset()
    return record


def sent(seat: Seat) -> list[str]:
    """Methods and last words of the paths of what was written."""
    return [
        f"{request.method} {request.url.partition('?')[0].rstrip('0123456789').rstrip('/').rpartition('/')[2]}"
        for request, _ in seat.wire.calls
        if request.method != "GET"
    ]


def labelled(record: Record) -> dict[str, str]:
    return {str(fields["label"]): key for key, fields in record.parts["option_values"].items()}


# --- parts ------------------------------------------------------------------------------------


async def test_deletions_go_first_and_images_last() -> None:
    seat = Seat()
    product = await made(seat)
    variant, other, gone = product.parts["variants"]
    image, old = product.parts["images"]
    change = update(
        product,
        {"price": Decimal(9)},
        variants=PartsChange(update={variant: {"price": Decimal(8)}}, delete=(gone,)),
        images=PartsChange(
            create={"+i": {"url": f"{PICTURES}n", "sort_order": 7}}, update={image: {"sort_order": 8}}, delete=(old,)
        ),
    )
    await seat.written(change)
    assert sent(seat) == [
        "DELETE variants",
        "PUT products",
        "PUT variants",
        "DELETE images",
        "POST images",
        "PUT images",
    ]
    assert other in (await seat.read(product.key)).parts["variants"]


async def test_a_renamed_value_keeps_its_variants() -> None:
    seat = Seat()
    product = await made(seat)
    small = labelled(product)["S"]
    await seat.written(update(product, option_values=PartsChange(update={small: {"label": "Small"}})))
    after = await seat.read(product.key)
    assert set(after.parts["variants"]) == set(product.parts["variants"])
    assert labelled(after).keys() == {"Small", "M", "L"}


async def test_several_values_of_one_option_are_one_call() -> None:
    seat = Seat()
    product = await made(seat)
    (option,) = product.parts["options"]
    values = labelled(product)
    change = PartsChange(
        create={"+x": {"option": option, "label": "X", "sort_order": 3, "is_default": False}},
        update={values["S"]: {"sort_order": 2}, values["L"]: {"sort_order": 0}},
    )
    (outcome,) = await seat.written(update(product, option_values=change))
    assert seat.writes() == 1
    after = await seat.read(product.key)
    places = {str(f["label"]): f["sort_order"] for f in after.parts["option_values"].values()}
    assert places == {"S": 2, "M": 1, "L": 0, "X": 3}
    assert outcome.part_keys["option_values"] == {"+x": labelled(after)["X"]}


async def test_a_value_goes_after_its_variants() -> None:
    seat = Seat()
    product = await made(seat)
    large = labelled(product)["L"]
    (variant,) = [k for k, f in product.parts["variants"].items() if f["option_values"] == frozenset({large})]
    change = update(product, variants=PartsChange(delete=(variant,)), option_values=PartsChange(delete=(large,)))
    await seat.written(change)
    assert sent(seat) == ["DELETE variants", "DELETE values"]
    assert labelled(await seat.read(product.key)).keys() == {"S", "M"}


async def test_a_product_can_lose_all_its_options_and_get_them_back() -> None:
    seat = Seat()
    product = await made(seat)
    change = update(
        product,
        variants=PartsChange(delete=tuple(product.parts["variants"])),
        option_values=PartsChange(delete=tuple(product.parts["option_values"])),
        options=PartsChange(delete=tuple(product.parts["options"])),
    )
    await seat.written(change)
    assert sent(seat) == ["DELETE options"]
    plain = await seat.read(product.key)
    assert (plain.parts["options"], plain.parts["variants"]) == ({}, {})
    again = update(
        plain,
        options=PartsChange(create={"+o": {"name": "Size", "type": "radio_buttons", "sort_order": 0}}),
        option_values=PartsChange(create={"+v": {"option": "+o", "label": "S", "sort_order": 0}}),
        variants=PartsChange(create={"+n": {"sku": "BIG-S2", "option_values": frozenset({"+v"})}}),
    )
    (outcome,) = await seat.written(again)
    after = await seat.read(product.key)
    assert list(after.parts["variants"]) == [outcome.part_keys["variants"]["+n"]]


async def test_a_variant_of_other_values_is_made_anew() -> None:
    seat = Seat()
    product = await made(seat, labels=("S", "M"))
    (option,) = product.parts["options"]
    small = labelled(product)["S"]
    (key,) = [k for k, f in product.parts["variants"].items() if f["option_values"] == frozenset({small})]
    change = update(
        product,
        option_values=PartsChange(create={"+x": {"option": option, "label": "X", "sort_order": 9}}),
        variants=PartsChange(update={key: {"option_values": frozenset({"+x"}), "price": Decimal(77)}}),
    )
    (outcome,) = await seat.written(change)
    after = await seat.read(product.key)
    fields = after.parts["variants"][outcome.part_keys["variants"][key]]
    assert (fields["sku"], fields["price"]) == ("BIG-S", Decimal(77))
    assert fields["option_values"] == frozenset({labelled(after)["X"]})
    assert len(after.parts["variants"]) == 2


async def test_the_base_variant_can_be_barred_and_freed() -> None:
    seat = Seat()
    await seat.desk.create()
    plain = await seat.product("MUG")
    barred: Fields = {"option_values": frozenset(), "purchasing_disabled": True, "purchasing_disabled_message": "no"}
    (outcome,) = await seat.written(update(plain, variants=PartsChange(create={"+b": barred})))
    after = await seat.product("MUG")
    assert after.parts["variants"] == {outcome.part_keys["variants"]["+b"]: barred}
    await seat.written(update(after, variants=PartsChange(delete=tuple(after.parts["variants"]))))
    assert (await seat.product("MUG")).parts["variants"] == {}
    (created,) = await seat.written(
        new(Kind.PRODUCT, "9", {**BARE, "name": "Cup", "sku": "CUP"}, {"variants": {"+b": barred}})
    )
    assert created.key is not None
    assert list((await seat.read(created.key)).parts["variants"].values()) == [barred]


async def test_a_variant_without_sku_can_come_with_a_product_but_not_later() -> None:
    seat = Seat()
    product = await made(seat)
    (option,) = product.parts["options"]
    change = update(
        product,
        option_values=PartsChange(create={"+x": {"option": option, "label": "X", "sort_order": 9}}),
        variants=PartsChange(create={"+n": {"sku": "", "option_values": frozenset({"+x"})}}),
    )
    (outcome,) = (await seat.write(change)).values()
    assert isinstance(outcome.error, RefusedError)
    assert outcome.error.code == "missing-sku"
    assert "+x" in outcome.part_keys["option_values"]


async def test_an_option_value_that_picks_another_product_is_refused() -> None:
    seat = Seat()
    product = await made(seat)
    (option,) = product.parts["options"]
    value: Fields = {"option": option, "label": "With lid", "sort_order": 9, "value_data": '{"product_id":5}'}
    (outcome,) = (await seat.write(update(product, option_values=PartsChange(create={"+x": value})))).values()
    assert isinstance(outcome.error, RefusedError)
    assert outcome.error.code == "unsupported"
    assert seat.writes() == 0


async def test_rows_become_what_is_wanted_whatever_was_there() -> None:
    seat = Seat()
    (outcome,) = await seat.written(
        new(
            Kind.PRODUCT,
            "1",
            {
                **BARE,
                "custom_fields": frozenset({("a", "1"), ("a", "2"), ("b", "3")}),
                "bulk_pricing": frozenset({("2", "5", "price", "1"), ("6", "10", "price", "2")}),
                "videos": frozenset({("youtube", "abc", "A", "", "0")}),
            },
        )
    )
    assert outcome.key is not None
    stages: list[Fields] = [
        {"custom_fields": frozenset({("a", "2"), ("c", "9")})},
        {"custom_fields": frozenset({("a", "3"), ("a", "4"), ("c", "9"), ("d", "5")})},
        {"bulk_pricing": frozenset({("2", "8", "percent", "0.25"), ("9", "0", "fixed", "2.5")})},
        {"bulk_pricing": frozenset({("2", "20", "percent", "0.25"), ("21", "0", "fixed", "2.5")})},
        {"videos": frozenset({("youtube", "abc", "B", "", "0"), ("youtube", "def", "C", "d", "1")})},
        {"custom_fields": frozenset(), "bulk_pricing": frozenset(), "videos": frozenset()},
    ]
    for wanted in stages:
        record = await seat.read(outcome.key)
        await seat.written(update(record, wanted))
        after = await seat.read(outcome.key)
        assert {name: after.fields[name] for name in wanted} == wanted
        assert after.fields["price"] == Decimal("12.5")
