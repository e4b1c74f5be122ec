"""Records and history survive storage; digests are equal exactly when the content is."""

from __future__ import annotations

import string
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.model.encoding import (
    digest,
    field_schema,
    from_data,
    lines_from_data,
    lines_to_data,
    pack,
    plain,
    record_digest,
    to_data,
    unpack,
    unplain,
)
from storeweave.model.kinds import SCHEMAS, FieldType, Kind
from storeweave.model.records import FieldChange, Fields, Record
from tests.strategies import history_lines, products, records


def stored(record: Record) -> Record:
    """What comes back from a database."""
    return from_data(unpack(pack(to_data(record))))


def content(record: Record) -> bytes:
    return record_digest(record.fields, record.parts)


@given(record=records())
def test_every_record_survives_storage(record: Record) -> None:
    back = stored(record)
    assert back == record
    assert content(back) == content(record)


@given(record=records())
def test_values_keep_their_types(record: Record) -> None:
    back = stored(record)
    for name, value in record.fields.items():
        assert type(back.fields[name]) is type(value), name


@given(one=records(), other=records())
def test_digests_are_equal_exactly_when_the_content_is(one: Record, other: Record) -> None:
    same = (one.fields, one.parts) == (other.fields, other.parts)
    assert (content(one) == content(other)) is same


@given(record=records(), data=st.data())
def test_a_digest_sees_every_single_field(record: Record, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(record.fields)))
    without = {n: v for n, v in record.fields.items() if n != name}
    null: Fields = {**without, name: None}
    digests = {record_digest(without, record.parts), record_digest(null, record.parts), content(record)}
    assert len(digests) == (2 if record.fields[name] is None else 3)


@given(record=products(), data=st.data())
def test_a_digest_sees_every_single_part(record: Record, data: st.DataObject) -> None:
    filled = sorted(c for c, p in record.parts.items() if p)
    if not filled:
        return
    collection = data.draw(st.sampled_from(filled))
    key = data.draw(st.sampled_from(sorted(record.parts[collection])))
    fewer = {k: f for k, f in record.parts[collection].items() if k != key}
    assert record_digest(record.fields, {**record.parts, collection: fewer}) != content(record)


@given(record=products())
def test_the_order_in_which_things_were_read_does_not_matter(record: Record) -> None:
    backwards = {c: dict(reversed(list(p.items()))) for c, p in reversed(list(record.parts.items()))}
    assert record_digest(dict(reversed(list(record.fields.items()))), backwards) == content(record)


@given(record=products())
def test_collections_that_a_scan_cannot_show_can_be_left_out(record: Record) -> None:
    omitted = frozenset({"options", "option_values"})
    shown = {c: p for c, p in record.parts.items() if c not in omitted}
    assert record_digest(record.fields, record.parts, omit=omitted) == record_digest(record.fields, shown)


def test_equal_amounts_have_equal_digests() -> None:
    assert record_digest({"price": Decimal("1.50")}, {}) == record_digest({"price": Decimal("1.5")}, {})
    assert record_digest({"price": Decimal("1.5")}, {}) != record_digest({"price": Decimal("1.51")}, {})


def test_a_digest_is_the_same_on_every_machine() -> None:
    assert digest(["a", {"b": 1, "a": None}, True]).hex() == digest(["a", {"a": None, "b": 1}, True]).hex()
    assert digest(["a"]).hex() == "f53b3155b302982e196b7645b7b614b1"


@pytest.mark.parametrize("kind", list(Kind))
@given(data=st.data())
def test_every_line_of_history_survives_storage(kind: Kind, data: st.DataObject) -> None:
    lines = tuple(data.draw(st.lists(history_lines(kind), max_size=8)))
    assert lines_from_data(kind, unpack(pack(lines_to_data(lines)))) == lines


def test_absent_and_null_stay_apart_in_history() -> None:
    lines = (FieldChange("brand", None, None, had=False, has=True), FieldChange("variants/7", None, None, has=False))
    assert lines_from_data(Kind.PRODUCT, lines_to_data(lines)) == lines


def test_paths_of_history_find_their_schema() -> None:
    assert field_schema(Kind.PRODUCT, "price") is SCHEMAS[Kind.PRODUCT].fields["price"]
    variant_price = field_schema(Kind.PRODUCT, "variants/12/price")
    assert variant_price is not None
    assert variant_price.type is FieldType.MONEY
    assert field_schema(Kind.PRODUCT, "variants/12") is None
    assert field_schema(Kind.PRODUCT, "nonsense") is None
    assert field_schema(Kind.BRAND, "variants/12/price") is None


@given(record=records())
def test_plain_values_are_json_and_come_back(record: Record) -> None:
    schema = SCHEMAS[record.kind].fields
    for name, value in record.fields.items():
        through_json: Any = msgspec.json.decode(msgspec.json.encode(plain(value)))
        assert unplain(through_json, schema[name]) == value


@given(fields=st.dictionaries(st.text(string.ascii_lowercase, min_size=1), st.integers() | st.booleans(), max_size=4))
def test_one_and_true_have_different_digests(fields: dict[str, int | bool]) -> None:
    as_count: Fields = {name: int(value) for name, value in fields.items()}
    as_flag: Fields = {name: bool(value) for name, value in fields.items()}
    assert (record_digest(as_count, {}) == record_digest(as_flag, {})) is (not fields)
