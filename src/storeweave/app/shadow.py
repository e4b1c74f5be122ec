"""Shadow mode: read the real destination, write to a copy of it in memory, show what would have happened.

What a shadow writes lies over what the real account shows, for as long as the process lives; the account itself is
never written to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from storeweave.model.encoding import record_digest
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import NEW, Change, Fields, Op, Outcome, Record, Value
from storeweave.ports.clock import Clock
from storeweave.ports.connector import Abilities, Account, Connector, Page
from storeweave.ports.permit import Permit

SHADOW: Final = "~shadow"
"""Ending of the names of shadow flows and of their destinations."""


class Shadow:
    """A connector that reads through and writes into memory."""

    def __init__(self, real: Connector, clock: Clock) -> None:
        self._real = real
        self._clock = clock
        self._over: dict[tuple[Kind, Key], Record | None] = {}
        self._made = 0

    @property
    def abilities(self) -> Abilities:
        return msgspec.structs.replace(self._real.abilities, read_lag_s=0.0, late_landing_s=0.0)

    async def check(self, permit: Permit) -> Account:
        return await self._real.check(permit)

    async def scan(self, kind: Kind, cursor: str | None, permit: Permit) -> Page:
        """The real pages with our changes; what we made comes with the last one."""
        page = await self._real.scan(kind, cursor, permit)
        records = [self._shown(kind, r.key, r) for r in page.records]
        if page.cursor is None:
            records += [r for (k, key), r in self._over.items() if k is kind and _is_ours(key)]
        total = None if page.total is None else page.total + sum(_is_ours(k) for _, k in self._over)
        return Page(records=tuple(r for r in records if r is not None), cursor=page.cursor, total=total)

    async def changed(self, kind: Kind, since: datetime, cursor: str | None, permit: Permit) -> Page:
        return await self._real.changed(kind, since, cursor, permit)

    async def read(self, kind: Kind, keys: Sequence[Key], permit: Permit) -> Mapping[Key, Record | None]:
        theirs = [k for k in keys if not _is_ours(k)]
        real = await self._real.read(kind, theirs, permit) if theirs else {}
        return {key: self._shown(kind, key, real.get(key)) for key in keys}

    async def find(self, kind: Kind, matches: Sequence[str], permit: Permit) -> Mapping[str, Sequence[Record]]:
        found = {m: list(records) for m, records in (await self._real.find(kind, matches, permit)).items()}
        for match in matches:
            ours = [r for (k, _), r in self._over.items() if k is kind and r is not None and match in r.matches]
            known = {r.key for r in ours}
            found[match] = ours + [r for r in found.get(match, []) if (kind, r.key) not in self._over or r.key in known]
        return found

    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        permit.check()
        return {change.ref: self._written(kind, change) for change in changes}

    async def content_hash(self, url: str, permit: Permit) -> str:
        return await self._real.content_hash(url, permit)

    def _shown(self, kind: Kind, key: Key, real: Record | None) -> Record | None:
        return self._over.get((kind, key), real)

    def _written(self, kind: Kind, change: Change) -> Outcome:
        if change.op is Op.DELETE and change.key is not None:
            self._over[kind, change.key] = None
            return Outcome(key=change.key, calls=("shadow delete",))
        key = change.key
        if key is None:
            self._made += 1
            key = Key(f"shadow-{self._made}")
        before = self._over.get((kind, key)) or change.theirs
        keys = {
            collection: {new: self._new_part() for new in parts.create} for collection, parts in change.parts.items()
        }
        record = self._applied(kind, key, change, before, keys)
        self._over[kind, key] = record
        return Outcome(key=key, record=record, part_keys=keys, calls=(f"shadow {change.op}",))

    def _new_part(self) -> str:
        self._made += 1
        return f"shadow-{self._made}"

    def _applied(
        self, kind: Kind, key: Key, change: Change, before: Record | None, keys: Mapping[str, Mapping[str, str]]
    ) -> Record:
        flat = {new: made for entries in keys.values() for new, made in entries.items()}
        fields = {**(before.fields if before else {}), **change.fields}
        parts: dict[str, dict[str, Fields]] = {
            c: dict(entries) for c, entries in (before.parts if before else {}).items()
        }
        for collection, entries in change.parts.items():
            there = parts.setdefault(collection, {})
            for gone in entries.delete:
                there.pop(gone, None)
            for part, values in entries.update.items():
                there[part] = {**there.get(part, {}), **_resolved(values, flat)}
            for new, values in entries.create.items():
                there[keys[collection][new]] = _resolved(values, flat)
        omit = self._real.abilities.kinds[kind].scan_omits
        matches = change.wanted.matches if change.wanted is not None else before.matches if before else ()
        return Record(
            kind=kind,
            key=key,
            fields=fields,
            parts=parts,
            matches=matches,
            digest=record_digest(fields, parts, omit=omit),
            modified_at=self._clock.now(),
            title=change.wanted.title if change.wanted else "",
        )


def _is_ours(key: Key) -> bool:
    return key.startswith("shadow-")


def _resolved(values: Fields, made: Mapping[str, str]) -> dict[str, Value]:
    """Fields with the keys that new parts got."""
    fixed: dict[str, Value] = {}
    for name, value in values.items():
        if isinstance(value, str) and value.startswith(NEW):
            fixed[name] = made.get(value, value)
        elif isinstance(value, frozenset):
            fixed[name] = frozenset(made.get(v, v) if isinstance(v, str) else v for v in value)  # type: ignore[assignment]
        else:
            fixed[name] = value
    return fixed
