"""Laws of the three-way merge (semantics 3.13) and of the base that holds afterwards."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.ledger.agreed import PART_HELD, agreed, is_form_of
from storeweave.ledger.merge import Merge, merge, without
from storeweave.model.flow import Policy
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Fields, Record, Value
from storeweave.model.state import Base
from tests.strategies import products

MUG = Key("7")
Pick = Callable[[str], Policy]


def always(policy: Policy) -> Pick:
    return lambda _path: policy


def mug(*, parts: dict[str, dict[str, Fields]] | None = None, **fields: Value) -> Record:
    return Record(kind=Kind.PRODUCT, key=MUG, fields=fields, parts=parts or {})


def base_of(record: Record, **lossy: Value) -> Base:
    return Base(wanted=record, lossy=lossy)


def merged(wanted: Record, base: Base | None, theirs: Record | None, policy: Policy = Policy.SOURCE) -> Merge:
    return merge(wanted, base, theirs, policy=always(policy))


def settled(wanted: Record, base: Base | None, result: Merge, shown: Record | None = None) -> Base:
    return agreed(
        wanted,
        destination_key=MUG,
        merge=result,
        before=base,
        links=base.links if base else {},
        part_keys={},
        shown=shown,
        source_digest=b"s",
        written_at=None,
    )


def written(theirs: Record, result: Merge) -> Record:
    """What the destination holds once the change is written."""
    parts = {c: {k: dict(f) for k, f in entries.items()} for c, entries in theirs.parts.items()}
    for collection, change in result.parts.items():
        entries = parts.setdefault(collection, {})
        for key in change.delete:
            del entries[key]
        for key, fields in change.update.items():
            entries[key].update(fields)
        for key, fields in change.create.items():
            entries[key] = dict(fields)
    return msgspec.structs.replace(theirs, fields={**theirs.fields, **result.fields}, parts=parts)


# --- the table of 3.13 ----------------------------------------------------------------------------------------------


def test_nothing_is_written_when_neither_side_moved() -> None:
    result = merged(mug(name="Mug"), base_of(mug(name="Mug")), mug(name="Mug"))
    assert result.agrees
    assert not result.conflicts


def test_what_only_the_source_changed_is_copied_without_a_conflict() -> None:
    result = merged(mug(name="Cup"), base_of(mug(name="Mug")), mug(name="Mug"))
    assert result.fields == {"name": "Cup"}
    assert not result.conflicts


def test_both_sides_changing_to_the_same_value_is_agreement() -> None:
    result = merged(mug(name="Cup"), base_of(mug(name="Mug")), mug(name="Cup"))
    assert result.agrees
    assert not result.conflicts


@pytest.mark.parametrize(
    ("policy", "fields", "choice"),
    [(Policy.SOURCE, {"name": "Cup"}, "source"), (Policy.DESTINATION, {}, "destination"), (Policy.ASK, {}, "ask")],
)
def test_a_conflict_is_decided_by_policy_and_always_recorded(policy: Policy, fields: Fields, choice: str) -> None:
    result = merged(mug(name="Cup"), base_of(mug(name="Mug")), mug(name="Glass"), policy)
    assert result.fields == fields
    (conflict,) = result.conflicts
    assert (conflict.base, conflict.source, conflict.destination, conflict.choice) == ("Mug", "Cup", "Glass", choice)


def test_newest_goes_by_time_and_asks_when_times_cannot_be_compared() -> None:
    wanted, base, theirs = mug(name="Cup"), base_of(mug(name="Mug")), mug(name="Glass")
    newest = always(Policy.NEWEST)
    assert merge(wanted, base, theirs, policy=newest, newest=lambda: "source").fields == {"name": "Cup"}
    assert merge(wanted, base, theirs, policy=newest, newest=lambda: "destination").agrees
    assert merge(wanted, base, theirs, policy=newest).conflicts[0].choice == "ask"


def test_sets_merge_by_element_where_the_flow_says_so() -> None:
    base = base_of(mug(categories=frozenset("ab")))
    result = merged(mug(categories=frozenset("bc")), base, mug(categories=frozenset("abx")), Policy.MERGE)
    assert result.fields == {"categories": frozenset("bcx")}


def test_the_source_wins_at_first_contact() -> None:
    result = merged(mug(name="Cup"), None, mug(name="Glass"))
    assert result.fields == {"name": "Cup"}
    assert not result.conflicts


def test_a_field_that_was_not_read_is_neither_null_nor_compared() -> None:
    assert merged(mug(name="Mug"), base_of(mug(name="Mug", price=Decimal(9))), mug(name="Mug", price=Decimal(8))).agrees
    assert merged(mug(price=None), base_of(mug(price=Decimal(9))), mug(price=Decimal(9))).fields == {"price": None}


def test_an_accepted_value_of_the_destination_stays_until_the_source_moves_again() -> None:
    base = base_of(mug(name="Mug"))
    result = merged(mug(name="Cup"), base, mug(name="Glass"), Policy.DESTINATION)
    base = settled(mug(name="Cup"), base, result)
    assert merged(mug(name="Cup"), base, mug(name="Glass")).agrees
    assert merged(mug(name="Pot"), base, mug(name="Glass")).fields == {"name": "Pot"}


def test_an_open_question_stays_open_and_does_not_hold_up_the_rest() -> None:
    base = base_of(mug(name="Mug", price=Decimal(1)))
    wanted, theirs = mug(name="Cup", price=Decimal(2)), mug(name="Glass", price=Decimal(1))
    result = merged(wanted, base, theirs, Policy.ASK)
    assert result.fields == {"price": Decimal(2)}
    base = settled(wanted, base, result)
    again = merged(wanted, base, mug(name="Glass", price=Decimal(2)), Policy.ASK)
    assert again.agrees
    assert [c.path for c in again.conflicts] == ["name"]


# --- parts ----------------------------------------------------------------------------------------------------------


def test_parts_are_created_updated_and_deleted_by_identity() -> None:
    base = base_of(mug(parts={"variants": {"1": {"sku": "A"}, "2": {"sku": "B"}}}))
    result = merged(mug(parts={"variants": {"1": {"sku": "AA"}, "+9": {"sku": "C"}}}), base, base.wanted)
    change = result.parts["variants"]
    assert (change.create, change.update, change.delete) == ({"+9": {"sku": "C"}}, {"1": {"sku": "AA"}}, ("2",))


def test_the_lines_of_a_deleted_part_say_what_it_was() -> None:
    base = base_of(mug(parts={"variants": {"2": {"sku": "B"}}}))
    lines = {line.path: line.old for line in merged(mug(parts={"variants": {}}), base, base.wanted).lines}
    assert lines["variants/2/sku"] == "B"


def test_a_collection_that_was_not_read_loses_nothing() -> None:
    base = base_of(mug(name="Mug", parts={"variants": {"1": {"sku": "A"}}}))
    assert merged(mug(name="Mug"), base, base.wanted).agrees


def test_a_part_that_a_person_took_away_does_not_come_back() -> None:
    base = Base(wanted=mug(parts={"variants": {}}), held={"variants/+5": PART_HELD})
    assert merged(mug(parts={"variants": {"+5": {"sku": "A"}}}), base, mug(parts={"variants": {}})).agrees


# --- values that the destination keeps in its own way ---------------------------------------------------------------


def test_a_lossy_field_is_written_once_and_then_at_rest() -> None:
    wanted = mug(name=" Mug ", price=Decimal("9.995"))
    result = merged(wanted, None, mug(name="Old", price=Decimal(1)))
    shown = mug(name="Mug", price=Decimal(10))
    base = settled(wanted, None, result, shown)
    assert base.lossy == {"name": "Mug", "price": Decimal(10)}
    assert merged(wanted, base, shown).agrees
    assert merged(mug(name=" Cup ", price=Decimal("9.995")), base, shown).fields == {"name": " Cup "}


def test_what_somebody_else_wrote_in_the_same_moment_is_no_way_of_storing_ours() -> None:
    wanted = mug(price=Decimal("8.35"))
    result = merged(wanted, base_of(mug(price=Decimal("8.00"))), mug(price=Decimal("8.00")))
    base = settled(wanted, None, result, mug(price=Decimal("8.32")))
    assert not base.lossy
    assert base.doubts == {"price": Decimal("8.32")}
    assert merged(wanted, base, mug(price=Decimal("8.32"))).fields == {"price": Decimal("8.35")}


def test_a_form_that_was_shown_twice_is_believed() -> None:
    wanted, shown = mug(description="a tale"), mug(description="[removed]")
    first = settled(wanted, None, merged(wanted, None, mug(description="")), shown)
    second = settled(wanted, first, merged(wanted, first, shown), shown)
    assert second.lossy == {"description": "[removed]"}
    assert merged(wanted, second, shown).agrees


@pytest.mark.parametrize(
    ("there", "ours", "is_form"),
    [
        ("Mug", " mug ", True),
        ("A & B", "<p>A &amp; B</p>", True),
        ("x" * 50, "x" * 80, True),
        ("x", "x" * 80, False),
        (Decimal("10.00"), Decimal("9.995"), True),
        (Decimal("10.00"), Decimal("9.98"), False),
        (True, False, False),
    ],
)
def test_forms_of_a_value(there: Value, ours: Value, is_form: bool) -> None:
    assert is_form_of(there, ours) is is_form


# --- laws -----------------------------------------------------------------------------------------------------------


@given(wanted=products(), theirs=products())
def test_writing_the_merge_leaves_nothing_to_write(wanted: Record, theirs: Record) -> None:
    result = merged(wanted, None, theirs)
    after = written(theirs, result)
    assert merged(wanted, None, after).agrees
    base = settled(wanted, None, result, after)
    assert merged(wanted, base, after).agrees
    assert merged(wanted, base, None).agrees


@given(wanted=products(), before=products(), theirs=products(), policy=st.sampled_from(list(Policy)))
def test_a_second_look_after_any_policy_writes_nothing_new(
    wanted: Record, before: Record, theirs: Record, policy: Policy
) -> None:
    base = base_of(before)
    result = merged(wanted, base, theirs, policy)
    after = written(theirs, result)
    assert merged(wanted, settled(wanted, base, result, after), after, policy).agrees


@given(record=products())
def test_a_record_agrees_with_itself(record: Record) -> None:
    assert merged(record, None, record).agrees
    assert merged(record, base_of(record), record).agrees


@given(wanted=products(), theirs=products())
def test_every_line_says_what_is_written(wanted: Record, theirs: Record) -> None:
    result = merged(wanted, None, theirs)
    fields = {line.path: line.new for line in result.lines if "/" not in line.path}
    assert fields == dict(result.fields)


def test_a_merge_without_some_fields_leaves_them_as_they_were() -> None:
    base = base_of(mug(name="Mug", price=Decimal(1)))
    wanted = mug(name="Cup", price=Decimal(2))
    result = without(merged(wanted, base, base.wanted), frozenset({"price"}), base)
    assert result.fields == {"name": "Cup"}
    after = settled(wanted, base, result)
    assert after.wanted.fields == {"name": "Cup", "price": Decimal(1)}
    assert merged(wanted, after, mug(name="Cup", price=Decimal(1))).fields == {"price": Decimal(2)}
