"""A source's record in the destination's key space: rules, references, prices, parts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.mapping.wanted import Wanted, wanted
from storeweave.model.errors import RefusedError
from storeweave.model.flow import FlowSpec, PriceRule
from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind
from storeweave.model.money import Rounding
from storeweave.model.records import Record, Value
from storeweave.ports.connector import KindAbilities
from tests.strategies import amounts

PARTS = frozenset({"options", "option_values", "variants", "images"})


def flow(**rules: object) -> FlowSpec:
    return FlowSpec(name=FlowName("f"), source=ConnectionName("a"), destination=ConnectionName("b"), **rules)  # type: ignore[arg-type]


def takes(**abilities: object) -> KindAbilities:
    return KindAbilities(**{"read_batch": 10, "write_batch": 10, "page": 10, "parts": PARTS, **abilities})  # type: ignore[arg-type]


def mapped(
    record: Record,
    spec: FlowSpec | None = None,
    abilities: KindAbilities | None = None,
    *,
    currency: str | None = None,
    links: dict[str, dict[str, str]] | None = None,
    references: dict[Kind, dict[Key, Key]] | None = None,
) -> Wanted:
    return wanted(
        record,
        flow=spec or flow(),
        references=references or {},
        links=links or {},
        takes=abilities or takes(),
        price_places=2,
        destination_currency=currency,
    )


def mug(**fields: Value) -> Record:
    return Record(kind=Kind.PRODUCT, key=Key("1"), fields=fields, currency="USD")


def test_references_are_translated_and_missing_ones_are_named() -> None:
    record = mug(brand="5", categories=frozenset({"1", "2"}))
    result = mapped(record, references={Kind.CATEGORY: {Key("1"): Key("100")}})
    assert result.record.fields["categories"] == frozenset({"100"})
    assert set(result.missing) == {(Kind.BRAND, "5"), (Kind.CATEGORY, "2")}


def test_related_products_are_left_out_not_waited_for() -> None:
    result = mapped(mug(related=frozenset({"8"})))
    assert result.missing == ()
    assert result.left_out == ((Kind.PRODUCT, "8"),)


def test_availability_follows_the_listing_where_the_flow_says_so() -> None:
    spec = flow(availability_from_listing=True)
    states: dict[str | None, str] = {
        "active": "available",
        "disabled": "disabled",
        "pending": "disabled",
        None: "disabled",
    }
    for state, availability in states.items():
        result = mapped(mug(availability="preorder", listing_state=state), spec)
        assert result.record.fields["availability"] == availability
    assert mapped(mug(availability="preorder"), spec).record.fields["availability"] == "preorder"


def test_fields_that_the_destination_does_not_take_are_left_out() -> None:
    abilities = takes(fields=frozenset({"name", "sku"}), read_only=frozenset({"sku"}))
    assert mapped(mug(name="Mug", sku="M", warranty="2 y"), abilities=abilities).record.fields == {"name": "Mug"}


def test_include_exclude_and_constants() -> None:
    spec = flow(
        include=frozenset({"name", "price"}),
        exclude=frozenset({"price"}),
        constants={Kind.PRODUCT: {"condition": "New"}},
    )
    assert mapped(mug(name="Mug", price=Decimal(9), sku="M"), spec).record.fields == {"name": "Mug", "condition": "New"}


def test_an_excluded_field_of_a_part_is_left_alone() -> None:
    record = Record(
        kind=Kind.PRODUCT, key=Key("1"), fields={}, parts={"variants": {"3": {"sku": "A", "price": Decimal(1)}}}
    )
    result = mapped(record, flow(exclude=frozenset({"variants.price"})), links={"variants": {"3": "30"}})
    assert result.record.parts == {"variants": {"30": {"sku": "A"}}}


def test_parts_and_what_they_refer_to_get_the_destinations_keys() -> None:
    record = Record(
        kind=Kind.PRODUCT,
        key=Key("1"),
        fields={},
        parts={
            "option_values": {"7": {"option": "5", "label": "Red"}, "8": {"option": "5", "label": "Blue"}},
            "variants": {"3": {"option_values": frozenset({"7", "8"})}},
        },
    )
    result = mapped(record, links={"options": {"5": "50"}, "option_values": {"7": "70"}, "variants": {"3": "30"}})
    assert result.record.parts["variants"]["30"]["option_values"] == frozenset({"70", "+8"})
    assert result.record.parts["option_values"]["+8"]["option"] == "50"


def test_two_currencies_are_refused_with_the_remedy() -> None:
    with pytest.raises(RefusedError, match=r"USD.*EUR.*one currency") as refusal:
        mapped(mug(price=Decimal(1)), currency="EUR")
    assert refusal.value.code == "currency"


def test_prices_are_computed_from_the_source_and_rounded_once() -> None:
    spec = flow(prices=PriceRule(multiply=Decimal("1.2"), add=Decimal("0.5"), places=2))
    result = mapped(mug(price=Decimal("9.99"), cost_price=Decimal("4.00")), spec)
    assert result.record.fields["price"] == Decimal("12.49")
    assert result.record.fields["cost_price"] == Decimal(4)


def test_a_half_is_rounded_as_the_flow_says() -> None:
    for mode, expected in ((Rounding.HALF_UP, "0.13"), (Rounding.HALF_EVEN, "0.12")):
        spec = flow(prices=PriceRule(multiply=Decimal("0.5"), places=2, rounding=mode))
        assert mapped(mug(price=Decimal("0.25")), spec).record.fields["price"] == Decimal(expected)


@given(price=amounts(), places=st.integers(0, 4))
def test_a_copied_price_does_not_creep(price: Decimal, places: int) -> None:
    once = mapped(mug(price=price)).record.fields["price"]
    assert mapped(mug(price=once)).record.fields["price"] == once
    assert isinstance(once, Decimal)
    assert abs(once - price) <= Decimal("0.005")
    del places
