"""What the destination should hold: a source's record, through the flow's rules, in the destination's key space.

Pure. Which part is which part is decided in ``mapping.parts``; reading and writing are the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from storeweave.model.errors import RefusedError
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import SCHEMAS, FieldSchema, FieldType, Key, Kind
from storeweave.model.money import canonical, rounded
from storeweave.model.records import NEW, Record, Value
from storeweave.ports.connector import KindAbilities

Links = Mapping[str, Mapping[str, str]]
"""collection -> source's part key -> destination's part key"""
References = Mapping[Kind, Mapping[Key, Key]]
"""kind -> source key -> destination key"""

SOFT: frozenset[str] = frozenset({"related"})
"""References that are left out, not waited for, while the other record isn't linked: they can form circles."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The result: the record, the references that must be made first, and those left out for now."""

    record: Record
    missing: tuple[tuple[Kind, Key], ...] = ()
    left_out: tuple[tuple[Kind, Key], ...] = ()


def references(record: Record) -> dict[Kind, set[Key]]:
    """All keys of other records that this one refers to."""
    found: dict[Kind, set[Key]] = {}
    schema = SCHEMAS[record.kind].fields
    for name, value in record.fields.items():
        field = schema.get(name)
        if field is None or field.kind is None or value is None:
            continue
        keys = value if isinstance(value, frozenset) else {value}
        found.setdefault(field.kind, set()).update(Key(str(k)) for k in keys)
    return found


def wanted(
    source: Record,
    *,
    flow: FlowSpec,
    references: References,
    links: Links,
    takes: KindAbilities,
    price_places: int,
    destination_currency: str | None = None,
) -> Wanted:
    """Apply the flow's rules. Parts without a link get the key ``+<source's key>``.

    Raises RefusedError for a currency that differs from the destination's, and for values no rule can make right.
    """
    if source.currency and destination_currency and source.currency != destination_currency:
        raise RefusedError(
            f"prices are in {source.currency}, the destination keeps {destination_currency}: "
            "connect accounts of one currency",
            code="currency",
        )
    schema = SCHEMAS[source.kind]
    missing: list[tuple[Kind, Key]] = []
    left_out: list[tuple[Kind, Key]] = []
    fields: dict[str, Value] = {}
    for name, value in source.fields.items():
        field = schema.fields.get(name)
        if field is None or not _taken(name, flow, takes):
            continue
        if field.kind is not None:
            value = _refer(field.kind, value, references, left_out if name in SOFT else missing)
        elif field.type is FieldType.MONEY:
            value = _price(value, flow, price_places, name)
        fields[name] = value
    if source.kind is Kind.PRODUCT and flow.availability_from_listing and "listing_state" in source.fields:
        fields["availability"] = "available" if source.fields["listing_state"] == "active" else "disabled"
    fields.update(flow.constants.get(source.kind, {}))
    parts = {
        collection: {
            _part_key(collection, key, links): {
                name: _part_value(part_schema.fields[name], value, links, flow, price_places, f"{collection}.{name}")
                for name, value in values.items()
                if name in part_schema.fields and f"{collection}.{name}" not in flow.exclude
            }
            for key, values in source.parts[collection].items()
        }
        for collection, part_schema in schema.parts.items()
        if collection in source.parts and collection in takes.parts and _included(collection, flow)
    }
    record = Record(
        kind=source.kind,
        key=source.key,
        fields=fields,
        parts=parts,
        matches=source.matches,
        currency=source.currency,
        title=source.title,
    )
    return Wanted(record=record, missing=tuple(missing), left_out=tuple(left_out))


def _included(name: str, flow: FlowSpec) -> bool:
    return name not in flow.exclude and (flow.include is None or name in flow.include)


def _taken(name: str, flow: FlowSpec, takes: KindAbilities) -> bool:
    if takes.fields is not None and name not in takes.fields:
        return False
    return name not in takes.read_only and _included(name, flow)


def _refer(kind: Kind, value: Value, references: References, lacking: list[tuple[Kind, Key]]) -> Value:
    if value is None:
        return None
    known = references.get(kind, {})
    if isinstance(value, frozenset):
        there = set[str]()
        for key in sorted(Key(str(one)) for one in value):
            if key in known:
                there.add(known[key])
            else:
                lacking.append((kind, key))
        return frozenset(there)
    key = Key(str(value))
    if key not in known:
        lacking.append((kind, key))
        return None
    return known[key]


def _price(value: Value, flow: FlowSpec, places: int, name: str) -> Value:
    if value is None or not isinstance(value, Decimal):
        return value
    rule = flow.prices
    if name.endswith("cost_price") or rule.changes_nothing:
        return canonical(rounded(value, places=places))
    return canonical(
        rounded(
            value * rule.multiply + rule.add, places=places if rule.places is None else rule.places, mode=rule.rounding
        )
    )


def _part_key(collection: str, key: str, links: Links) -> str:
    return links.get(collection, {}).get(key) or NEW + key


def _part_value(schema: FieldSchema, value: Value, links: Links, flow: FlowSpec, places: int, name: str) -> Value:
    if schema.part is not None and value is not None:
        if isinstance(value, frozenset):
            return frozenset(_part_key(schema.part, str(v), links) for v in value)
        return _part_key(schema.part, str(value), links)
    if schema.type is FieldType.MONEY:
        return _price(value, flow, places, name)
    return value
