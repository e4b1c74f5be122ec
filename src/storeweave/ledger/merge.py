"""Three-way merge of one record: base, what the source wants, what the destination shows (semantics 3.13).

Pure. The result is the fewest fields that make the destination right, the conflicts that were decided on the way, and
the base that holds once the change is written. A field that was not read takes part in nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from storeweave.model.flow import Policy
from storeweave.model.kinds import NEVER_COMPARED, SCHEMAS
from storeweave.model.records import NEW, FieldChange, Fields, PartsChange, Record, Value
from storeweave.model.state import Base


class _Absent:
    """Stands for a value that is not known."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
Maybe = Value | _Absent


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """The destination was changed by somebody else. ``choice`` says whose value stays."""

    path: str
    base: Value
    source: Value
    destination: Value
    choice: str


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """What to write, and what it means."""

    fields: Mapping[str, Value]
    parts: Mapping[str, PartsChange]
    lines: tuple[FieldChange, ...]
    conflicts: tuple[Conflict, ...]
    pairs: Mapping[str, Value]  # paths where the destination's other value is accepted: path -> its value
    open: Mapping[str, tuple[Maybe, Maybe]]  # paths left undecided: path -> base's (wanted, theirs)

    @property
    def agrees(self) -> bool:
        """True when there is nothing to write."""
        return not self.lines


PolicyOf = Callable[[str], Policy]
NewestOf = Callable[[], str]
"""'source' or 'destination' by comparable times, or '' when they cannot be compared"""


def merge(
    wanted: Record,
    base: Base | None,
    theirs: Record | None,
    *,
    policy: PolicyOf,
    newest: NewestOf = lambda: "",
) -> Merge:
    """Compare and decide. ``theirs`` None: trust the base (nobody else wrote since).

    ``base`` None and ``theirs`` None: the record is to be created, everything is written.
    """
    work = _Work(wanted, base, theirs, policy, newest)
    return work.run()


class _Work:
    def __init__(
        self, wanted: Record, base: Base | None, theirs: Record | None, policy: PolicyOf, newest: NewestOf
    ) -> None:
        self.wanted, self.base, self.theirs, self.policy, self.newest = wanted, base, theirs, policy, newest
        self.lossy: Mapping[str, Value] = base.lossy if base else {}
        self.held: Mapping[str, Value] = base.held if base else {}
        self.lines: list[FieldChange] = []
        self.conflicts: list[Conflict] = []
        self.pairs: dict[str, Value] = {}
        self.open: dict[str, tuple[Maybe, Maybe]] = {}

    def run(self) -> Merge:
        base_fields: Fields = self.base.wanted.fields if self.base else {}
        their_fields: Fields | None = self.theirs.fields if self.theirs else None
        fields = self._fields("", self.wanted.fields, base_fields, their_fields)
        parts = {
            collection: change
            for collection, change in self._collections()
            if change.create or change.update or change.delete
        }
        return Merge(
            fields=fields,
            parts=parts,
            lines=tuple(self.lines),
            conflicts=tuple(self.conflicts),
            pairs=self.pairs,
            open=self.open,
        )

    def _fields(self, prefix: str, wanted: Fields, base: Fields, theirs: Fields | None) -> dict[str, Value]:
        write: dict[str, Value] = {}
        lossy, decide = self.lossy, self._decide
        for name, ours in wanted.items():
            before: Maybe = base.get(name, ABSENT)
            if theirs is None and ours == before and not isinstance(before, _Absent):
                continue  # trusted, and the source wants what it wanted
            if name in NEVER_COMPARED:
                continue
            path = prefix + name
            their_before: Maybe = lossy.get(path, before) if lossy else before
            there: Maybe = theirs.get(name, their_before) if theirs is not None else their_before
            if ours == before and there == their_before and not isinstance(before, _Absent):
                continue
            value = decide(path, ours, before, their_before, there)
            if value is not ABSENT:
                write[name] = value  # type: ignore[assignment]
                old: Value = None if isinstance(there, _Absent) else there
                self.lines.append(FieldChange(path, old, value, not isinstance(there, _Absent), True))  # type: ignore[arg-type]
        return write

    def _decide(self, path: str, ours: Value, before: Maybe, their_before: Maybe, there: Maybe) -> Maybe:
        """The value to write, or ABSENT for none."""
        if there == ours:
            return ABSENT
        linked_first = isinstance(before, _Absent)
        if isinstance(there, _Absent) or linked_first or there == their_before:
            return ours  # only the source moved, or this is the first link: the source wins
        return self._conflict(path, ours, before, their_before, there)

    def _conflict(self, path: str, ours: Value, before: Maybe, their_before: Maybe, there: Value) -> Maybe:
        policy = self.policy(path)
        base_value: Value = None if isinstance(before, _Absent) else before
        if policy is Policy.MERGE and isinstance(ours, frozenset) and isinstance(there, frozenset):
            known = their_before if isinstance(their_before, frozenset) else frozenset[str]()
            merged = (there - (known - ours)) | (ours - known)
            if merged == there:
                self.pairs[path] = there
                return ABSENT
            return merged  # type: ignore[return-value]
        if policy is Policy.NEWEST:
            winner = self.newest() or ("destination" if ours == before else "")
            policy = {"source": Policy.SOURCE, "destination": Policy.DESTINATION}.get(winner, Policy.ASK)
        if policy is Policy.ASK:
            self.open[path] = (before, their_before)
        elif policy is Policy.DESTINATION:
            self.pairs[path] = there
        choice = policy.value if policy is not Policy.MERGE else Policy.SOURCE.value
        self.conflicts.append(Conflict(path=path, base=base_value, source=ours, destination=there, choice=choice))
        return ours if policy in (Policy.SOURCE, Policy.MERGE) else ABSENT

    def _collections(self) -> Iterator[tuple[str, PartsChange]]:
        base_parts = self.base.wanted.parts if self.base else {}
        their_parts = self.theirs.parts if self.theirs else {}
        for collection in SCHEMAS[self.wanted.kind].parts:
            wanted = self.wanted.parts.get(collection)
            if wanted is None:
                continue
            known = base_parts.get(collection, {})
            shown = their_parts.get(collection) if self.theirs is not None else None
            yield collection, self._parts(collection, wanted, known, shown)

    def _parts(
        self,
        collection: str,
        wanted: Mapping[str, Fields],
        base: Mapping[str, Fields],
        theirs: Mapping[str, Fields] | None,
    ) -> PartsChange:
        there = base if theirs is None else theirs
        create: dict[str, Fields] = {}
        update: dict[str, Fields] = {}
        for key, fields in wanted.items():
            if key not in there and f"{collection}/{key}" in self.held:
                continue  # a person took it away and the source has not said anything new
            if key not in there:
                create[key] = dict(fields)
                self.lines.append(FieldChange(f"{collection}/{key}", None, None, False, True))
                continue
            changed = self._fields(
                f"{collection}/{key}/", fields, base.get(key, {}), None if theirs is None else theirs[key]
            )
            if changed:
                update[key] = changed
        delete = []
        for key in there:
            if key in wanted:
                continue
            path = f"{collection}/{key}"
            if path in self.held:
                continue  # a person brought it back
            if key not in base and self.base is not None and self.policy(path) is Policy.DESTINATION:
                continue  # the destination's own addition, and the destination keeps its own
            delete.append(key)
            self.lines.append(FieldChange(path, None, None, True, False))
            self.lines.extend(  # kept so that it can be made again
                FieldChange(f"{path}/{name}", value, None, True, False) for name, value in there[key].items()
            )
        return PartsChange(create=create, update=update, delete=tuple(delete))


def without(merge: Merge, paths: frozenset[str], base: Base | None) -> Merge:
    """The merge with some fields left undecided: not written, and open as they were before."""
    open_ = dict(merge.open)
    for path in paths:
        before = _before(base, path)
        open_[path] = (before, base.lossy.get(path, before) if base else before)
    parts = {
        collection: msgspec.structs.replace(
            change,
            update={
                key: kept
                for key, fields in change.update.items()
                if (kept := {n: v for n, v in fields.items() if f"{collection}/{key}/{n}" not in paths})
            },
        )
        for collection, change in merge.parts.items()
    }
    return msgspec.structs.replace(
        merge,
        fields={n: v for n, v in merge.fields.items() if n not in paths},
        parts=parts,
        lines=tuple(line for line in merge.lines if line.path not in paths),
        open=open_,
    )


def _before(base: Base | None, path: str) -> Maybe:
    if base is None:
        return ABSENT
    collection, _, rest = path.partition("/")
    if not rest:
        return base.wanted.fields.get(path, ABSENT)
    key, _, name = rest.rpartition("/")
    return base.wanted.parts.get(collection, {}).get(key, {}).get(name, ABSENT)


def is_new(key: str) -> bool:
    """True for the key of a part that the destination doesn't have yet."""
    return key.startswith(NEW)
