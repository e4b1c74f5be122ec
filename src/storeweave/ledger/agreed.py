"""The base that holds after a write: what was wanted, what the destination made of it, which part is which.

Pure. Without this step a value that the destination stores in its own way (trimmed, rounded, cleaned) would look like
a change for ever (semantics 3.3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from html import unescape

import msgspec

from storeweave.ledger.merge import ABSENT, Merge, is_new
from storeweave.model.kinds import NEVER_COMPARED, SCHEMAS, Key, PartSchema
from storeweave.model.records import NEW, Fields, Record, Value
from storeweave.model.state import Base

_HALF_A_CENT = Decimal("0.005")
_CUT_AT_LEAST = 40
_TAG = re.compile(r"<[^>]*>")
PART_HELD = True
"""Value in ``Base.held`` of a whole part that a person removed or brought back."""

PartKeys = Mapping[str, Mapping[str, str]]


def agreed(
    wanted: Record,
    *,
    destination_key: Key,
    merge: Merge,
    before: Base | None,
    links: Mapping[str, Mapping[str, str]],
    part_keys: PartKeys,
    shown: Record | None,
    source_digest: bytes,
    written_at: datetime | None,
) -> Base:
    """Compose the base. ``part_keys`` are the keys that new parts got; ``shown`` is the destination's own view, if any.

    A new part whose key nobody learned is left out, so that the next look finds it by its natural identity.
    """
    record = _with_keys(msgspec.structs.replace(wanted, key=destination_key), part_keys)
    doubts: dict[str, Value] = {}
    record, lossy = _with_values(record, merge, before, shown, doubts)
    all_links = {c: dict(m) for c, m in links.items()}
    for collection, keys in part_keys.items():
        for new, key in keys.items():
            if is_new(new):
                all_links.setdefault(collection, {})[new.removeprefix(NEW)] = key
    held = {p: v for p, v in (before.held if before else {}).items() if v is PART_HELD or value_at(record, p) == v}
    return Base(
        wanted=record,
        lossy=lossy,
        links=all_links,
        held=held,
        doubts=doubts,
        source_digest=source_digest,
        destination_digest=(shown.digest if shown is not None else b"")
        or (before.destination_digest if before is not None and written_at is None else b""),
        written_at=written_at or (before.written_at if before else None),
    )


def linked_only(kind_record: Record, destination_key: Key, links: Mapping[str, Mapping[str, str]]) -> Base:
    """A base that knows nothing but the link: the next look at the destination decides everything."""
    empty = Record(
        kind=kind_record.kind,
        key=destination_key,
        fields={},
        matches=kind_record.matches,
        currency=kind_record.currency,
        title=kind_record.title,
    )
    return Base(wanted=empty, links=links)


def value_at(record: Record, path: str) -> Value:
    """The value at a history path; None when there is none."""
    collection, _, rest = path.partition("/")
    if not rest:
        return record.fields.get(path)
    key, _, field = rest.rpartition("/")
    return record.parts.get(collection, {}).get(key, {}).get(field)


def _with_keys(record: Record, part_keys: PartKeys) -> Record:
    if not any(part_keys.values()):
        return _without_new(record)
    parts: dict[str, dict[str, Fields]] = {}
    for collection, entries in record.parts.items():
        known, schema = part_keys.get(collection, {}), SCHEMAS[record.kind].parts[collection]
        parts[collection] = {}
        for key, fields in entries.items():
            real = known.get(key) if is_new(key) else key
            if real is not None:
                parts[collection][real] = _with_references(fields, schema, part_keys)
    return msgspec.structs.replace(record, parts=parts)


def _without_new(record: Record) -> Record:
    """Parts whose keys nobody learned are left out."""
    if not any(is_new(key) for entries in record.parts.values() for key in entries):
        return record
    known = {c: {k: f for k, f in entries.items() if not is_new(k)} for c, entries in record.parts.items()}
    return msgspec.structs.replace(record, parts=known)


def _with_references(fields: Fields, schema: PartSchema, part_keys: PartKeys) -> Fields:
    """Part references among the fields (an option value's option, a variant's values) get their real keys, too.

    Each from its own collection: a variant and an option value may well have the same number at the source.
    """
    fixed: dict[str, Value] = dict(fields)
    for name, value in fields.items():
        field = schema.fields.get(name)
        known = part_keys.get(field.part) if field is not None and field.part is not None else None
        if not known:
            continue
        if isinstance(value, frozenset):
            fixed[name] = frozenset(known.get(str(v), str(v)) for v in value)
        elif value is not None:
            fixed[name] = known.get(str(value), str(value))
    return fixed


def _with_values(
    record: Record, merge: Merge, before: Base | None, shown: Record | None, doubts: dict[str, Value]
) -> tuple[Record, dict[str, Value]]:
    present = _paths(record)
    lossy = {p: v for p, v in (before.lossy if before else {}).items() if p in present}
    written = {line.path for line in merge.lines}
    for path in written & set(lossy):
        del lossy[path]
    lossy.update(merge.pairs)
    if shown is not None:
        _learn(record, shown, lossy, merge, before.doubts if before else {}, doubts)
    for path, (ours, theirs) in merge.open.items():
        record = _put_back(record, path, ours)
        if theirs is ABSENT:
            lossy.pop(path, None)
        elif theirs != ours:
            lossy[path] = theirs  # type: ignore[assignment]
    return record, lossy


def _learn(
    record: Record,
    shown: Record,
    lossy: dict[str, Value],
    merge: Merge,
    doubted: Mapping[str, Value],
    doubts: dict[str, Value],
) -> None:
    """Where the destination's answer differs from what we wrote, remember its form of the value.

    But only if it is a form of that value (rounded, trimmed, cleaned), or was shown after an earlier write, too: what
    somebody else wrote in the same moment, or an old write that landed late, is no way of storing ours.
    """
    scopes: list[tuple[str, Fields, Fields]] = [("", record.fields, shown.fields)]
    for collection, entries in record.parts.items():
        shown_parts = shown.parts.get(collection, {})
        scopes += [(f"{collection}/{k}/", f, shown_parts[k]) for k, f in entries.items() if k in shown_parts]
    for prefix, ours, theirs in scopes:
        for name, value in ours.items():
            path = prefix + name
            if name in NEVER_COMPARED or name not in theirs or path in merge.pairs or path in merge.open:
                continue
            if theirs[name] != value:
                there = theirs[name]
                if lossy.get(path, value) == there or is_form_of(there, value) or doubted.get(path, value) == there:
                    lossy[path] = there
                else:
                    doubts[path] = there
            else:
                lossy.pop(path, None)


def is_form_of(there: Value, ours: Value) -> bool:
    """True when a store that rounds, trims, cleans or cuts would make ``there`` of ``ours``."""
    if isinstance(there, Decimal) and isinstance(ours, Decimal):
        return abs(there - ours) <= _HALF_A_CENT
    if isinstance(there, str) and isinstance(ours, str):
        short, long = _squashed(there), _squashed(ours)
        return short == long or (len(short) >= _CUT_AT_LEAST and long.startswith(short))
    return False


def _squashed(text: str) -> str:
    """Letters and digits only, without case, tags and entities."""
    return "".join(c for c in unescape(_TAG.sub("", text)).casefold() if c.isalnum())


def _paths(record: Record) -> set[str]:
    paths = set(record.fields)
    for collection, entries in record.parts.items():
        for key, fields in entries.items():
            paths.update(f"{collection}/{key}/{name}" for name in fields)
    return paths


def _put_back(record: Record, path: str, value: object) -> Record:
    """The record with the value that a path had before, for a conflict that is still open."""
    collection, _, rest = path.partition("/")
    if not rest:
        fields = dict(record.fields)
        _set(fields, path, value)
        return msgspec.structs.replace(record, fields=fields)
    key, _, name = rest.rpartition("/")
    parts = {c: dict(p) for c, p in record.parts.items()}
    if key in parts.get(collection, {}):
        inner = dict(parts[collection][key])
        _set(inner, name, value)
        parts[collection][key] = inner
    return msgspec.structs.replace(record, parts=parts)


def _set(fields: dict[str, Value], name: str, value: object) -> None:
    if value is ABSENT:
        fields.pop(name, None)
    else:
        fields[name] = value  # type: ignore[assignment]
