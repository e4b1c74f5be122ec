"""A whole catalogue read here and written there is the same catalogue, by the twins' own comparison."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.connectors.bigcommerce import create
from storeweave.connectors.bigcommerce.payloads import ProductData, VariantData
from storeweave.connectors.bigcommerce.product_fields import (
    PRODUCT_ROWS,
    VARIANT_ROWS,
    instant_text,
    product_body,
    read_rows,
    variant_body,
)
from storeweave.connectors.bigcommerce.records import path_match, vendor_json
from storeweave.connectors.bigcommerce.twin import Figures, TwinSettings, compare_stores
from storeweave.model.errors import ConfigError
from storeweave.model.kinds import SCHEMAS, ConnectionName, FieldSchema, FieldType, Key, Kind
from storeweave.model.records import Change, Fields, Record, Value
from storeweave.twinkit.inprocess import InProcessTransport
from tests import strategies
from tests.connectors.bigcommerce.seat import FREE, Purse, Seat, new

Keys = dict[Kind, dict[str, str]]


def carried(record: Record, keys: Keys) -> Change:
    """The creation of the same thing elsewhere."""
    schema = SCHEMAS[record.kind]
    parts = {
        collection: {
            f"+{key}": _fields(fields, schema.parts[collection].fields, keys) for key, fields in entries.items()
        }
        for collection, entries in record.parts.items()
    }
    return new(record.kind, record.key, _fields(record.fields, schema.fields, keys), parts)


def _fields(fields: Fields, schemas: Mapping[str, FieldSchema], keys: Keys) -> Fields:
    return {name: _value(value, schemas[name], keys) for name, value in fields.items()}


def _value(value: Value, schema: FieldSchema, keys: Keys) -> Value:
    known = keys[schema.kind] if schema.kind is not None else {}
    if schema.type is FieldType.REF:
        return known[value] if isinstance(value, str) else None
    if schema.type is FieldType.REFS and isinstance(value, frozenset):
        return frozenset(known[str(key)] for key in value if key in known)
    if schema.type is FieldType.PART:
        return f"+{value}"
    if schema.type is FieldType.PARTS and isinstance(value, frozenset):
        return frozenset(f"+{key}" for key in value)
    return value


@pytest.mark.parametrize("read_lag_s", [0.0, 2.0])
async def test_a_copied_store_is_equal(read_lag_s: float) -> None:
    source = Seat(TwinSettings(store_hash="a"), figures=Figures(products=150, with_options=0.5))
    destination = Seat(TwinSettings(store_hash="b", first_id=50_000, read_lag_s=read_lag_s))
    destination.twin.neighbours = {source.twin.host: source.twin}
    keys: Keys = {kind: {} for kind in Kind}
    for kind in Kind:
        for records in await _levels(source, kind):
            outcomes = await destination.written(*(carried(record, keys) for record in records))
            for record, outcome in zip(records, outcomes, strict=True):
                assert outcome.key is not None
                keys[kind][record.key] = outcome.key
                for collection, entries in record.parts.items():
                    assert set(outcome.part_keys.get(collection, {})) == {f"+{key}" for key in entries}
    assert compare_stores(source.twin, destination.twin, ignore=("related_products",), skip_without_sku=False) == []


async def _levels(seat: Seat, kind: Kind) -> list[list[Record]]:
    """All records of a kind, parents before their children."""
    found: list[Record] = []
    cursor: str | None = None
    while True:
        page = await seat.connector.scan(kind, cursor, FREE)
        whole = await seat.connector.read(kind, [record.key for record in page.records], FREE)
        found += [record for record in whole.values() if record is not None]
        cursor = page.cursor
        if cursor is None:
            break
    levels: list[list[Record]] = []
    known: set[Value] = {None}
    while found:
        level = [record for record in found if record.fields.get("parent") in known]
        known |= {record.key for record in level}
        found = [record for record in found if record not in level]
        levels.append(level)
    return levels


# --- fields, both ways ------------------------------------------------------------------------


@given(data=st.data())
def test_fields_of_products_come_back_as_they_were(data: st.DataObject) -> None:
    mapped = {row[0] for row in PRODUCT_ROWS} - {
        "categories",
        "brand",
        "related",
        "gift_wrapping_options",
        "listing_state",
    }
    product = data.draw(
        strategies.products(fields=frozenset(mapped) & frozenset(SCHEMAS[Kind.PRODUCT].fields), with_parts=False)
    )
    fields = {name: value for name, value in product.fields.items() if name in mapped}
    body = msgspec.json.encode({"id": 1, **product_body(fields)})
    read = read_rows(msgspec.json.decode(body, type=ProductData), PRODUCT_ROWS)
    unset_at_zero = {"cost_price", "retail_price", "sale_price", "map_price", "fixed_cost_shipping_price"}
    for name, value in fields.items():
        expected = None if name in unset_at_zero and value == 0 else value
        assert read.get(name, "") == expected, name


def test_nothing_of_the_contract_is_forgotten() -> None:
    ours = {row[0] for row in PRODUCT_ROWS} | {"custom_fields", "bulk_pricing", "videos", "listing_state"}
    assert ours == set(SCHEMAS[Kind.PRODUCT].fields)
    variants = {row[0] for row in VARIANT_ROWS} | {"option_values"}
    assert variants == set(SCHEMAS[Kind.PRODUCT].parts["variants"].fields)


def test_null_in_a_variant_means_inherited_both_ways() -> None:
    fields: Fields = {"price": None, "weight": None, "cost_price": None}
    body = variant_body(fields, what="variant")
    assert body == {"price": None, "weight": None, "cost_price": 0}
    data = msgspec.json.decode(msgspec.json.encode({"id": 1, **body}), type=VariantData)
    assert read_rows(data, VARIANT_ROWS) == fields


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2027-01-01T02:00:00+02:00", "2027-01-01T00:00:00Z"),
        ("2027-01-01T00:00:00", "2027-01-01T00:00:00Z"),
        ("soon", "soon"),
    ],
)
def test_instants_are_told_in_utc(text: str, shown: str) -> None:
    assert instant_text(text) == shown


@given(st.lists(st.text(min_size=1).filter(lambda name: name.strip() == name), min_size=1, max_size=4))
def test_paths_of_different_categories_differ(names: list[str]) -> None:
    joined = path_match(names)
    assert joined.replace("\\\\", "").replace("\\/", "").count("/") == len(names) - 1
    assert joined == path_match([name.upper().lower() for name in names]) or joined.isascii() is False


@pytest.mark.parametrize("empty", [None, {}, []])
def test_empty_structures_are_one_and_the_same(empty: object) -> None:
    assert vendor_json(empty) is None


def test_carried_structures_are_canonical() -> None:
    assert vendor_json({"b": 1, "a": [1, 2]}) == vendor_json({"a": [1, 2], "b": 1}) == '{"a":[1,2],"b":1}'


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"store_hash": ""}, "store_hash"),
        ({"store_hash": "https://store-abc"}, "store_hash"),
        ({"access_token": None}, "access_token"),
        ({"api_url": "ftp://x"}, "api_url"),
        ({"channel_id": 0}, "channel_id"),
        ({"concurency": 3}, "concurency"),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_shown(wrong: dict[str, object], named: str) -> None:
    seat = Seat()
    values = {"store_hash": "abc", "access_token": "s3cret", **wrong}
    with pytest.raises(ConfigError) as caught:
        create(
            values,
            transport=InProcessTransport([seat.twin], clock=seat.desk.clock),
            budget=Purse(),
            clock=seat.desk.clock,
            connection=ConnectionName("shop"),
        )
    assert named in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_abilities_follow_the_settings() -> None:
    plain, channelled = Seat().connector.abilities, Seat(channel_id=2).connector.abilities
    product = plain.kinds[Kind.PRODUCT]
    assert product.fields is not None
    assert "listing_state" not in product.fields
    assert channelled.kinds[Kind.PRODUCT].read_only == {"listing_state"}
    assert plain.hide_fields[Kind.PRODUCT] == {"is_visible": False}
    assert Kind.BRAND not in plain.hide_fields
    assert Key("1") == "1"
