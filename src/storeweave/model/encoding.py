"""Canonical bytes of records: for storage, for digests, for comparing what was refused.

Storage form is MessagePack of JSON-like values, decoded with the kind's schema, so that decimals and sets come back
as what they were. Digests are BLAKE2b over deterministic JSON; equal records have equal digests on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from storeweave.model.kinds import SCHEMAS, FieldSchema, FieldType, Key, Kind
from storeweave.model.money import canonical, canonical_text
from storeweave.model.records import FieldChange, Fields, Record, Value

_JSON = msgspec.json.Encoder(order="deterministic")
_PACK = msgspec.msgpack.Encoder()
_DECIMALS = frozenset({FieldType.DECIMAL, FieldType.MONEY})
_TEXT_SETS = frozenset({FieldType.TEXTS, FieldType.REFS, FieldType.PARTS})


def plain(value: Value) -> Any:
    """A value as JSON-like data: decimals as canonical text, sets as sorted lists."""
    if isinstance(value, Decimal):
        return canonical_text(value)
    if isinstance(value, frozenset):
        return sorted(list(v) if isinstance(v, tuple) else v for v in value)
    return value


def unplain(data: Any, schema: FieldSchema | None) -> Value:
    """The reverse of ``plain``, by the field's schema (unknown fields stay as they are)."""
    if schema is None or data is None:
        return frozenset(data) if isinstance(data, list) else data
    if schema.type in _DECIMALS:
        return canonical(Decimal(data))
    if schema.type in _TEXT_SETS:
        return frozenset(data)
    if schema.type is FieldType.ROWS:
        return frozenset(tuple(row) for row in data)
    return data  # type: ignore[no-any-return]


def field_schema(kind: Kind, path: str) -> FieldSchema | None:
    """The schema of a history path (``name``, ``variants/12/price``); None for a whole part or an unknown field."""
    schema = SCHEMAS[kind]
    collection, _, rest = path.partition("/")
    if not rest:
        return schema.fields.get(path)
    _, _, field = rest.rpartition("/")
    part = schema.parts.get(collection)
    return part.fields.get(field) if part and "/" in rest else None


def _plain_fields(fields: Fields) -> dict[str, Any]:
    return {name: value if value.__class__ in (str, bool, int) else plain(value) for name, value in fields.items()}


def _typed_fields(data: Mapping[str, Any], schemas: Mapping[str, FieldSchema]) -> dict[str, Value]:
    return {
        name: value if value.__class__ is bool else unplain(value, schemas.get(name)) for name, value in data.items()
    }


def to_data(record: Record) -> dict[str, Any]:
    """A record as JSON-like data."""
    return {
        "kind": record.kind.value,
        "key": record.key,
        "fields": _plain_fields(record.fields),
        "parts": {c: {k: _plain_fields(f) for k, f in parts.items()} for c, parts in record.parts.items()},
        "matches": list(record.matches),
        "currency": record.currency,
        "title": record.title,
    }


def from_data(data: Mapping[str, Any]) -> Record:
    """The reverse of ``to_data``."""
    kind = Kind(data["kind"])
    schema = SCHEMAS[kind]
    return Record(
        kind=kind,
        key=Key(data["key"]),
        fields=_typed_fields(data["fields"], schema.fields),
        parts={
            c: {k: _typed_fields(f, schema.parts[c].fields) for k, f in parts.items()}
            for c, parts in data["parts"].items()
        },
        matches=tuple(data["matches"]),
        currency=data["currency"],
        title=data["title"],
    )


def pack(data: Any) -> bytes:
    """JSON-like data as MessagePack."""
    return _PACK.encode(data)


def unpack(raw: bytes) -> Any:
    """The reverse of ``pack``."""
    return msgspec.msgpack.decode(raw)


def lines_to_data(lines: Iterable[FieldChange]) -> list[list[Any]]:
    """History lines as JSON-like data."""
    return [[c.path, plain(c.old), plain(c.new), c.had, c.has] for c in lines]


def lines_from_data(kind: Kind, data: Iterable[list[Any]]) -> tuple[FieldChange, ...]:
    """The reverse of ``lines_to_data``."""
    result = []
    for path, old, new, had, has in data:
        schema = field_schema(kind, path)
        result.append(FieldChange(path, unplain(old, schema), unplain(new, schema), had, has))
    return tuple(result)


def digest(data: Any) -> bytes:
    """16 bytes that differ when the data differs."""
    return hashlib.blake2b(_JSON.encode(data), digest_size=16).digest()


def record_digest(
    fields: Fields, parts: Mapping[str, Mapping[str, Fields]], *, omit: frozenset[str] = frozenset()
) -> bytes:
    """Digest of a record's content; ``omit`` are collections that a scan cannot show."""
    return digest(
        [
            _plain_fields(fields),
            {c: {k: _plain_fields(f) for k, f in p.items()} for c, p in parts.items() if c not in omit},
        ]
    )
