"""What the contract suite asks of an author: an opened account. And how it words changes and compares records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import msgspec

from storeweave.connectors.memory.shop import as_new, content_hash_of
from storeweave.model.kinds import NEVER_COMPARED, SCHEMAS, Key, Kind
from storeweave.model.records import NEW, Change, Fields, Op, Outcome, PartsChange, Record, Value
from storeweave.ports.connector import Connector, HookedConnector, HookRequest, KindAbilities
from storeweave.ports.permit import Permit

PICTURES = "abcdefgh"
FREE = Permit()


async def at_once() -> None:
    """Reads show every finished write."""


@dataclass
class Stage:
    """One account of a system, empty, and the connector to it."""

    connector: Connector
    now: Callable[[], datetime]
    remote_writes: Callable[[], int]
    """How many calls that change something the system has got so far."""
    picture: Callable[[str], str] = lambda name: f"https://pictures.invalid/{content_hash_of(name)}"
    """An address from which the system can fetch the bytes of one of ``PICTURES``."""
    picture_hash: Callable[[str], str] = content_hash_of
    """SHA-256 (hex) of those bytes."""
    settle: Callable[[], Awaitable[None]] = at_once
    """Wait until reads show every finished write."""
    signed: Callable[[bytes | None], HookRequest] | None = None
    """A genuine webhook request of this system with this body; None: about a changed product with the key ``77``."""
    zero_is_none: frozenset[str] = frozenset()
    """Amounts of which the system can't tell zero from none: zero comes back as None."""
    derived: Mapping[Kind, frozenset[str]] = field(default_factory=dict)
    """Fields that the system makes itself or spoils in its own way: they need not come back as written."""

    def able(self, kind: Kind) -> KindAbilities:
        return self.connector.abilities.kinds[kind]

    def hooked(self) -> HookedConnector:
        return cast("HookedConnector", self.connector)

    def writable(self, kind: Kind) -> frozenset[str]:
        """Fields that can be written and come back as they were."""
        able = self.able(kind)
        stored = frozenset(SCHEMAS[kind].fields) if able.fields is None else able.fields
        return stored - able.read_only - self.derived.get(kind, frozenset())

    async def read(self, kind: Kind, key: Key) -> Record:
        """A record that must be there."""
        await self.settle()
        record = (await self.connector.read(kind, [key], FREE))[key]
        assert record is not None, f"{kind} {key} is not there"
        return record

    async def create(self, *wanted: Record) -> list[Record]:
        """Records in the source's words, written and read back."""
        made = []
        for record in wanted:
            outcome = (await self.write(creation(record)))[record.key]
            assert outcome.error is None, f"{record.title}: {outcome.error}"
            assert outcome.key is not None
            made.append(await self.read(record.kind, outcome.key))
        return made

    async def write(self, *changes: Change, permit: Permit = FREE) -> Mapping[Key, Outcome]:
        return await self.connector.write(changes[0].kind, changes, permit)

    async def written(self, *changes: Change) -> list[Outcome]:
        """Write; nothing may fail."""
        outcomes = await self.write(*changes)
        assert {ref: str(o.error) for ref, o in outcomes.items() if o.error} == {}
        return [outcomes[change.ref] for change in changes]

    async def listed(self, kind: Kind) -> list[Record]:
        """A whole scan."""
        await self.settle()
        found: list[Record] = []
        cursor: str | None = None
        for _ in range(1000):
            page = await self.connector.scan(kind, cursor, FREE)
            assert len(page.records) <= self.able(kind).page
            found += page.records
            cursor = page.cursor
            if cursor is None:
                return found
        raise AssertionError("the scan does not end")

    def staged(self, record: Record) -> Record:
        """The record with only what this system stores, and pictures that it can fetch."""
        able, writable = self.able(record.kind), self.writable(record.kind)
        parts = {c: p for c, p in record.parts.items() if c in able.parts}
        if "images" in parts:
            letters = {content_hash_of(letter): letter for letter in PICTURES}
            parts["images"] = {
                key: {
                    **fields,
                    "url": self.picture(letters[str(fields["content"])]),
                    "content": self.picture_hash(letters[str(fields["content"])]),
                }
                for key, fields in parts["images"].items()
            }
        fields = {name: value for name, value in record.fields.items() if name in writable}
        return msgspec.structs.replace(record, fields=fields, parts=parts)


# --- changes ----------------------------------------------------------------------------------------------------------


def creation(record: Record) -> Change:
    """The change that makes this record, as the engine would ask for it."""
    new = as_new(record.kind, record.parts)
    parts = {collection: change.create for collection, change in new.items()}
    return Change(
        ref=record.key,
        kind=record.kind,
        op=Op.CREATE,
        fields=record.fields,
        parts=new,
        wanted=msgspec.structs.replace(record, parts={c: parts.get(c, {}) for c in record.parts}),
    )


def revision(
    theirs: Record,
    fields: Fields | None = None,
    *,
    create: Mapping[str, Mapping[str, Fields]] | None = None,
    update: Mapping[str, Mapping[str, Fields]] | None = None,
    delete: Mapping[str, Sequence[str]] | None = None,
) -> Change:
    """A change of a record that is there, as the engine would ask for it; parts by collection, then key."""
    create, update, delete = create or {}, update or {}, delete or {}
    parts = {
        collection: PartsChange(
            create=create.get(collection, {}),
            update=update.get(collection, {}),
            delete=tuple(delete.get(collection, ())),
        )
        for collection in sorted({*create, *update, *delete})
    }
    whole: dict[str, dict[str, Fields]] = {}
    for collection, there in theirs.parts.items():
        gone = set(delete.get(collection, ()))
        changed = update.get(collection, {})
        whole[collection] = {k: {**f, **changed.get(k, {})} for k, f in there.items() if k not in gone}
        whole[collection].update(create.get(collection, {}))
    return Change(
        ref=Key(f"s{theirs.key}"),
        kind=theirs.kind,
        op=Op.UPDATE,
        key=theirs.key,
        fields=fields or {},
        parts=parts,
        wanted=msgspec.structs.replace(theirs, fields={**theirs.fields, **(fields or {})}, parts=whole),
        theirs=theirs,
    )


def removal(kind: Kind, key: Key) -> Change:
    return Change(ref=Key(f"s{key}"), kind=kind, op=Op.DELETE, key=key)


# --- comparing --------------------------------------------------------------------------------------------------------


async def differences(wanted: Record, read: Record, stage: Stage) -> list[str]:
    """Where ``read`` is not what was wanted. Only what was wanted is compared; parts by their natural identity."""
    derived = stage.derived.get(read.kind, frozenset())
    fields = _as_kept(wanted.fields, stage.zero_is_none)
    found = _field_differences(wanted.title, fields, read.fields, derived)
    ours, theirs = natural_parts(await with_hashes(wanted, stage)), natural_parts(await with_hashes(read, stage))
    for collection, mine in ours.items():
        other = theirs.get(collection, {})
        if set(mine) != set(other):
            found.append(f"{wanted.title}: {collection} are {sorted(other)}, should be {sorted(mine)}")
            continue
        for name, fields in mine.items():
            found += _field_differences(f"{wanted.title} / {name}", fields, other[name], frozenset())
    return found


async def with_hashes(record: Record, stage: Stage) -> Record:
    """The record with the hashes of its images' bytes."""
    images = {
        key: fields
        if fields.get("content")
        else {**fields, "content": await stage.connector.content_hash(str(fields["url"]), FREE)}
        for key, fields in record.parts.get("images", {}).items()
    }
    return msgspec.structs.replace(record, parts={**record.parts, "images": images}) if images else record


def natural_parts(record: Record) -> dict[str, dict[str, dict[str, Any]]]:
    """Parts by names that mean the same in every key space, with their own fields and references in those words."""
    names: dict[tuple[str, str], str] = {}
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for collection, schema in SCHEMAS[record.kind].parts.items():
        if collection not in record.parts:
            continue
        result[collection] = {}
        for key, fields in record.parts[collection].items():
            name = _natural_name(collection, fields, names)
            names[collection, key.removeprefix(NEW)] = name
            result[collection][name] = {
                n: _in_words(v, schema.fields[n].part, names) for n, v in fields.items() if n not in NEVER_COMPARED
            }
    return result


def _natural_name(collection: str, fields: Fields, names: Mapping[tuple[str, str], str]) -> str:
    if collection == "options":
        return str(fields["name"])
    if collection == "option_values":
        return f"{names['options', str(fields['option']).removeprefix(NEW)]}={fields['label']}"
    if collection == "variants":
        return ", ".join(_in_words(fields.get("option_values") or frozenset(), "option_values", names))
    return str(fields.get("content"))


def _in_words(value: Value, part: str | None, names: Mapping[tuple[str, str], str]) -> Any:
    if part is None or value is None:
        return value
    if isinstance(value, frozenset):
        return sorted(names[part, str(v).removeprefix(NEW)] for v in value)
    return names[part, str(value).removeprefix(NEW)]


def _as_kept(fields: Fields, zero_is_none: frozenset[str]) -> Fields:
    return {name: None if name in zero_is_none and value == 0 else value for name, value in fields.items()}


def _field_differences(what: str, wanted: Fields, read: Fields, derived: frozenset[str]) -> list[str]:
    return [
        f"{what}: {name} is {read.get(name, 'not there')!r}, should be {value!r}"
        for name, value in wanted.items()
        if name not in NEVER_COMPARED and name not in derived and read.get(name, "not there") != value
    ]
