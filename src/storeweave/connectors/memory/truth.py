"""What a memory shop holds, told without keys, so that two shops can be compared by somebody who knows neither hub
nor crosswalk.

Natural names: a category is its path (``shoes/boots``), a brand its name, a product its SKU or else its name, an option
its name, a value ``Size=S``, a variant its combination (``Colour=Red, Size=S``) or else its SKU, an image its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from storeweave.connectors.memory.content import Lossy, stored
from storeweave.model.encoding import plain
from storeweave.model.kinds import SCHEMAS, Key, Kind
from storeweave.model.records import Fields, Record

Truth = Mapping[str, Mapping[str, Any]]
"""kind -> natural name -> fields; ``parts``: collection -> natural name -> fields."""
_HASH_SHOWN = 12


def truth_of(
    records: Mapping[Kind, Mapping[Key, Record]], *, path: Callable[[Key], str], lossy: Lossy | None = None
) -> dict[str, dict[str, Any]]:
    """Dump all records of a shop, as one that spoils things would keep them when ``lossy`` is given.

    Two of one natural name are told apart as ``name#2``.
    """
    if lossy is not None:
        records = {kind: {k: _kept(r, lossy) for k, r in of_kind.items()} for kind, of_kind in records.items()}
    names: dict[tuple[Kind, str], str] = {}
    for kind, of_kind in records.items():
        taken: dict[str, int] = {}
        for key, record in of_kind.items():
            name = path(key) if kind is Kind.CATEGORY else str(record.fields.get("sku") or record.fields.get("name"))
            names[kind, key] = _told_apart(name, taken)
    return {
        kind.value: {names[kind, key]: _described(record, names) for key, record in of_kind.items()}
        for kind, of_kind in records.items()
    }


def _kept(record: Record, lossy: Lossy) -> Record:
    schema = SCHEMAS[record.kind]
    return msgspec.structs.replace(
        record,
        fields=stored(record.fields, schema.fields, lossy),
        parts={
            c: {k: stored(f, schema.parts[c].fields, lossy) for k, f in parts.items()}
            for c, parts in record.parts.items()
        },
    )


def _told_apart(name: str, taken: dict[str, int]) -> str:
    taken[name] = taken.get(name, 0) + 1
    return name if taken[name] == 1 else f"{name}#{taken[name]}"


def _described(record: Record, names: Mapping[tuple[Kind, str], str]) -> dict[str, Any]:
    schema = SCHEMAS[record.kind]
    result: dict[str, Any] = {}
    for name, value in record.fields.items():
        kind = schema.fields[name].kind
        if kind is None:
            result[name] = plain(value)
        elif isinstance(value, frozenset):
            result[name] = sorted(names.get((kind, str(v)), f"?{v}") for v in value)
        else:
            result[name] = None if value is None else names.get((kind, str(value)), f"?{value}")
    if record.parts:
        result["parts"] = _described_parts(record)
    return result


def _described_parts(record: Record) -> dict[str, dict[str, Any]]:
    """Collections in the order of the schema, so that variants can be named by the values that were named before."""
    known: dict[tuple[str, str], str] = {}
    result: dict[str, dict[str, Any]] = {}
    for collection, schema in SCHEMAS[record.kind].parts.items():
        taken: dict[str, int] = {}
        described: dict[str, Any] = {}
        for key, fields in record.parts.get(collection, {}).items():
            known[collection, key] = name = _told_apart(_part_name(collection, fields, known), taken)
            described[name] = {
                n: _named(v, schema.fields[n].part, known) for n, v in fields.items() if n not in {"url", "content"}
            }
        result[collection] = described
    return result


def _part_name(collection: str, fields: Fields, known: Mapping[tuple[str, str], str]) -> str:
    if collection == "options":
        return str(fields.get("name"))
    if collection == "option_values":
        return f"{known.get(('options', str(fields.get('option'))), '?')}={fields.get('label')}"
    if collection == "variants":
        used = fields.get("option_values")
        values = (
            sorted(known.get(("option_values", str(v)), f"?{v}") for v in used) if isinstance(used, frozenset) else []
        )
        return ", ".join(values) or str(fields.get("sku"))
    return str(fields.get("content"))[:_HASH_SHOWN]


def _named(value: Any, part: str | None, known: Mapping[tuple[str, str], str]) -> Any:
    if part is None or value is None:
        return plain(value)
    if isinstance(value, frozenset):
        return sorted(known.get((part, str(v)), f"?{v}") for v in value)
    return known.get((part, value), f"?{value}")


def compare(
    a: Truth,
    b: Truth,
    *,
    ignore: Collection[str] = (),
    extra_is_fine: bool = False,
    hidden_is_gone: bool = False,
    null_is_absent: bool = True,
) -> list[str]:
    """What ``b`` would have to change to be like ``a``: one line per difference; empty when they agree.

    ``ignore``: fields (``price``), collections (``images``) or parts' fields (``images/description``) that don't
    count. ``extra_is_fine``: ``b`` may have records that ``a`` lacks. ``hidden_is_gone``: it may if they are invisible.
    ``null_is_absent``: a field that is null at one side and absent at the other does not differ.
    """
    found: list[str] = []
    for kind in sorted({*a, *b}):
        ours, theirs = a.get(kind, {}), b.get(kind, {})
        for name in sorted({*ours, *theirs}):
            what = f"{kind} {name}"
            if name not in theirs:
                found.append(f"{what}: missing")
            elif name in ours:
                found += _compared(what, ours[name], theirs[name], frozenset(ignore), "", null_is_absent)
            elif not extra_is_fine and not (hidden_is_gone and theirs[name].get("is_visible") is False):
                found.append(f"{what}: should not be there")
    return found


def _compared(
    what: str, a: Mapping[str, Any], b: Mapping[str, Any], ignore: frozenset[str], prefix: str, null_is_absent: bool
) -> list[str]:
    found = []
    for name in sorted({*a, *b} - {"parts"}):
        if name in ignore or prefix + name in ignore:
            continue
        absent = None if null_is_absent else "nothing"
        if a.get(name, absent) != b.get(name, absent):
            found.append(f"{what}: {name} is {b.get(name, absent)!r}, should be {a.get(name, absent)!r}")
    ours, theirs = a.get("parts", {}), b.get("parts", {})
    for collection in sorted({*ours, *theirs} - ignore):
        mine, other = ours.get(collection, {}), theirs.get(collection, {})
        for name in sorted({*mine, *other}):
            part = f"{what} / {collection} {name}"
            if name not in other:
                found.append(f"{part}: missing")
            elif name not in mine:
                found.append(f"{part}: should not be there")
            else:
                found += _compared(part, mine[name], other[name], ignore, f"{collection}/", null_is_absent)
    return found
