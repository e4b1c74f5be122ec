"""Take applied changes back: a run, a change, everything of an item since a time (design promise 4).

Only what still stands as we wrote it is taken back; what somebody changed since is reported, not overwritten. What was
undone stays so until the source itself changes that value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from storeweave.engine.held import HeldLane
from storeweave.engine.item import read_all
from storeweave.engine.world import World
from storeweave.ledger.agreed import PART_HELD
from storeweave.model.errors import StoreweaveError
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import Kind
from storeweave.model.records import (
    NEW,
    Cause,
    Change,
    FieldChange,
    Fields,
    FlowKey,
    Op,
    PartsChange,
    Priority,
    Record,
    Value,
)
from storeweave.model.state import Base, BaseUpdate, HistoryRow, Link, Settlement


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one key: ``restored`` paths, and ``left`` ones with the reason why."""

    key: FlowKey
    title: str
    restored: tuple[str, ...] = ()
    left: Mapping[str, str] = {}


@dataclass(slots=True)
class _Restore:
    """What one key's fields were before, and what they must still be for that to be put back."""

    old: dict[str, FieldChange] = field(default_factory=dict)
    now: dict[str, FieldChange] = field(default_factory=dict)
    created: bool = False
    deleted: bool = False


async def undo(
    world: World, flow: FlowSpec, rows: Sequence[HistoryRow], lane: HeldLane, *, run: int | None = None
) -> list[Undone]:
    """Put back what ``rows`` (newest first, one flow) changed, as far as nobody changed it since."""
    restores: dict[FlowKey, _Restore] = {}
    for row in rows:
        if row.op in ("link", "unlink", "undo"):
            continue
        restore = restores.setdefault(row.key, _Restore())
        restore.created |= row.op == "create"
        restore.deleted |= row.op == "delete"
        for line in row.lines:
            restore.old[line.path] = line
            restore.now.setdefault(line.path, line)
    results: list[Undone] = []
    for kind in sorted({k.kind for k in restores}, key=list(Kind).index, reverse=True):
        keys = [k for k in restores if k.kind is kind]
        results += await _undo_kind(world, flow, kind, keys, restores, lane, run)
    return results


async def _undo_kind(
    world: World,
    flow: FlowSpec,
    kind: Kind,
    keys: Sequence[FlowKey],
    restores: Mapping[FlowKey, _Restore],
    lane: HeldLane,
    run: int | None,
) -> list[Undone]:
    destination = world.connectors[flow.destination]
    permit = lane.permit(Priority.NORMAL)
    known = await world.store.bases(flow.name, kind, [k.key for k in keys])
    there = [known[k.key][0].destination_key for k in keys if k.key in known]
    shown = await read_all(destination, kind, there, permit)
    plans: dict[FlowKey, tuple[Change, Link, Base, dict[str, str]]] = {}
    results: list[Undone] = []
    for key in keys:
        if key.key not in known:
            results.append(Undone(key=key, title="", left={"": "is not linked any more; nothing can be put back"}))
            continue
        link, base = known[key.key]
        theirs = shown.get(link.destination_key)
        if theirs is None:
            results.append(Undone(key=key, title=link.title, left={"": "is not at the destination any more"}))
            continue
        change, left = _change(destination.abilities.hide_fields.get(kind), key, restores[key], theirs)
        if change is None:
            results.append(Undone(key=key, title=link.title, left=left))
        else:
            plans[key] = (change, link, base, left)
    await lane.renew(list(plans))
    changes = [c for c, _, _, _ in plans.values()]
    size = destination.abilities.kinds[kind].write_batch
    for start in range(0, len(changes), size):
        outcomes = await destination.write(kind, changes[start : start + size], permit)
        settlement_bases, history = [], []
        for change in changes[start : start + size]:
            key = FlowKey(flow.name, kind, change.ref)
            _, link, base, left = plans[key]
            outcome = outcomes.get(change.ref)
            error: StoreweaveError | None = outcome.error if outcome is not None else None
            if outcome is None or error is not None:
                results.append(Undone(key=key, title=link.title, left={**left, "": str(error or "no answer")}))
                continue
            base = _after(base, change, outcome.part_keys)
            settlement_bases.append(
                BaseUpdate(key=key, base=msgspec.structs.replace(base, written_at=world.clock.now()))
            )
            history.append(
                HistoryRow(
                    key=key,
                    destination_key=change.key,
                    op="undo",
                    lines=change.lines,
                    cause=Cause.UNDO,
                    notice=None,
                    run=run,
                    calls=outcome.calls,
                    at=world.clock.now(),
                )
            )
            restored = tuple(line.path for line in change.lines)
            results.append(Undone(key=key, title=link.title, restored=restored, left=left))
        answered = [row.key for row in history]  # no longer in hand; what had no answer is, and will be looked at
        await world.store.settle(lane.hold, Settlement(bases=settlement_bases, history=history, worked=answered))
    return results


def _change(
    hide: Mapping[str, bool | str] | None, key: FlowKey, restore: _Restore, theirs: Record
) -> tuple[Change | None, dict[str, str]]:
    left: dict[str, str] = {}
    if restore.deleted:
        return None, {"": "was deleted for good; only the source can bring it back"}
    fields: dict[str, Value] = {}
    parts: dict[str, _Parts] = {}
    lines: list[FieldChange] = []
    if restore.created:
        if not hide:
            return None, {"": "was created, and this kind cannot be hidden there; delete it by hand"}
        fields.update(hide)
        lines += [FieldChange(name, theirs.fields.get(name), value) for name, value in hide.items()]
    else:
        for path, line in restore.old.items():
            _restore_path(path, line, restore.now[path], theirs, fields, parts, lines, left)
    changes = {c: p.change() for c, p in parts.items()}
    if not lines:
        return None, left
    return (
        Change(
            ref=key.key,
            kind=key.kind,
            op=Op.UPDATE,
            key=theirs.key,
            fields=fields,
            parts=changes,
            wanted=theirs,
            theirs=theirs,
            lines=tuple(lines),
        ),
        left,
    )


@dataclass(slots=True)
class _Parts:
    create: dict[str, dict[str, Value]] = field(default_factory=dict)
    update: dict[str, dict[str, Value]] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)

    def change(self) -> PartsChange:
        return PartsChange(create=self.create, update=self.update, delete=tuple(self.delete))


def _restore_path(
    path: str,
    old: FieldChange,
    now: FieldChange,
    theirs: Record,
    fields: dict[str, Value],
    parts: dict[str, _Parts],
    lines: list[FieldChange],
    left: dict[str, str],
) -> None:
    collection, _, rest = path.partition("/")
    if not rest:
        current = theirs.fields.get(path)
        if current != now.new:
            left[path] = f"is {current!r} now, not {now.new!r} as we wrote it: somebody changed it since"
        elif old.had and current != old.old:
            fields[path] = old.old
            lines.append(FieldChange(path, current, old.old))
        return
    key, _, name = rest.rpartition("/")
    entries: Mapping[str, Fields] = theirs.parts.get(collection, {})
    part = parts.setdefault(collection, _Parts())
    if not key:  # a whole part
        if now.has and not old.had:
            if rest in entries:
                part.delete.append(rest)
                lines.append(FieldChange(path, None, None, True, False))
        elif old.had and not now.has:
            part.create[NEW + rest] = {}
            lines.append(FieldChange(path, None, None, False, True))
        return
    if old.had and not now.has:  # a field of a part that was deleted
        part.create.setdefault(NEW + key, {})[name] = old.old
        return
    if key not in entries or key in part.delete:
        return
    current = entries[key].get(name)
    if current != now.new:
        left[path] = f"is {current!r} now, not {now.new!r} as we wrote it: somebody changed it since"
    elif current != old.old:
        part.update.setdefault(key, {})[name] = old.old
        lines.append(FieldChange(path, current, old.old))


def _after(base: Base, change: Change, part_keys: Mapping[str, Mapping[str, str]]) -> Base:
    """The base after an undo: the source wants what it wanted, the destination has what it had; both are agreed."""
    lossy, held = dict(base.lossy), dict(base.held)
    parts = {c: dict(p) for c, p in base.wanted.parts.items()}
    links = {c: dict(m) for c, m in base.links.items()}
    for line in change.lines:
        collection, _, rest = line.path.partition("/")
        if not rest or "/" in rest:
            lossy[line.path] = line.new
            wanted = base.wanted.fields.get(line.path) if not rest else None
            if wanted is not None:
                held[line.path] = wanted
        elif not line.has:
            source_key = next((s for s, d in links.get(collection, {}).items() if d == rest), None)
            parts.get(collection, {}).pop(rest, None)
            if source_key is not None:
                links[collection].pop(source_key)
                held[f"{collection}/{NEW}{source_key}"] = PART_HELD
        else:
            new = part_keys.get(collection, {}).get(NEW + rest)
            if new is not None:
                held[f"{collection}/{new}"] = PART_HELD
    wanted_record = msgspec.structs.replace(base.wanted, parts=parts)
    return msgspec.structs.replace(
        base, wanted=wanted_record, lossy=lossy, held=held, links=links, destination_digest=b""
    )
