"""What is gone at the source: believed with proof only, guarded, hidden rather than deleted (semantics 3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from storeweave.engine.batch import Batch
from storeweave.engine.brakes import Brakes
from storeweave.mapping.matching import identities
from storeweave.model.flow import Deletes
from storeweave.model.kinds import Key
from storeweave.model.records import Cause, Change, FieldChange, FlowKey, Op, Outcome, Priority
from storeweave.model.state import Base, HistoryRow, Link, Mark


@dataclass(slots=True)
class Burial:
    """One record to be hidden or deleted at the destination."""

    mark: Mark
    link: Link
    base: Base | None
    change: Change


async def burials(batch: Batch) -> list[Burial]:
    """Decide about everything in ``batch.gone``; what is not returned has its verdict."""
    believed = []
    orphans = await _orphans(batch)
    for mark, link, base in batch.gone:
        if mark.key in orphans:
            believed += orphans[mark.key]
        elif _believed(batch, mark):
            believed.append((mark, link, base))
        else:
            _look_later(batch, mark)
            batch.results.done(mark)
    linked = [(m, link, b) for m, link, b in believed if link is not None]
    for mark, link, _ in believed:
        if link is None:
            batch.results.tombstones.append((mark.key, None))
            batch.results.intents_done.append(mark.key)
            batch.results.done(mark)
    held = (
        (
            await Brakes(batch.world.store, batch.world.safety).deletes(
                batch.flow, batch.kind, [m for m, _, _ in linked], batch.now
            )
        ).held
        if batch.flow.deletes is not Deletes.IGNORE
        else {}
    )
    found = []
    for mark, link, base in linked:
        if mark.key in held:
            batch.results.hold(mark, *held[mark.key], batch.now)
            continue
        change = _change(batch, link, base)
        if change is None:
            bury(batch, mark, link)
        else:
            found.append(Burial(mark, link, base, change))
    return found


def settle(batch: Batch, burial: Burial, outcome: Outcome) -> None:
    """Record what became of it. A record that is not there any more is as good as deleted."""
    error = outcome.error
    if error is not None and error.code != "missing":
        batch.results.fail(burial.mark, error, batch.now)
        return
    batch.results.written += 1
    batch.results.history.append(
        HistoryRow(
            key=burial.mark.key,
            destination_key=burial.link.destination_key,
            op="delete" if burial.change.op is Op.DELETE else "hide",
            lines=burial.change.lines,
            cause=burial.mark.cause,
            notice=burial.mark.want or None,
            run=burial.mark.run,
            calls=outcome.calls,
            at=batch.now,
            lag_ms=int((batch.now - burial.mark.first_at).total_seconds() * 1000),
        )
    )
    bury(batch, burial.mark, burial.link)


def bury(batch: Batch, mark: Mark, link: Link) -> None:
    """Remember the death, so that late notices do not raise the record again, and forget the link."""
    batch.results.tombstones.append((mark.key, link.destination_key))
    batch.results.unlinked.append(mark.key)
    batch.results.intents_done.append(mark.key)
    batch.results.done(mark)


async def _orphans(batch: Batch) -> dict[FlowKey, list[tuple[Mark, Link | None, Base | None]]]:
    """Records that we may have created just before their source was deleted, without ever hearing an answer.

    Empty list: it may still take effect, and has its verdict. Otherwise the record that was found, or no link at all.
    """
    intents = await batch.world.store.intents([m.key for m, _, _ in batch.gone])
    found: dict[FlowKey, list[tuple[Mark, Link | None, Base | None]]] = {}
    for mark, link, base in batch.gone:
        if mark.key not in intents:
            continue
        since, matches = intents[mark.key]
        wait_s = batch.landing_wait_s(since)
        if wait_s > 0:
            reason = "it is gone, and its create at the destination may still take effect"
            batch.results.later(mark, batch.now, wait_s, reason, "intent", counted=False, verify=True)
            found[mark.key] = []
        else:
            found[mark.key] = [(mark, link or await _made_by_us(batch, mark, matches), base)]
    return found


async def _made_by_us(batch: Batch, mark: Mark, matches: Sequence[str]) -> Link | None:
    asked = identities(matches, batch.flow.match)
    there = await batch.destination.find(batch.kind, asked, batch.permit(Priority.DELETE)) if asked else {}
    records = {r.key: r for records in there.values() for r in records}
    owners = await batch.world.store.links_back(batch.flow.name, batch.kind, list(records))
    free = [r for key, r in records.items() if key not in owners]
    if len(free) != 1:
        return None
    return Link(
        key=mark.key, destination_key=free[0].key, how="created", sku=None, title=free[0].title, linked_at=batch.now
    )


def _believed(batch: Batch, mark: Mark) -> bool:
    """A delete notice (two complete listings without it make one) and the direct read that brought us here."""
    return mark.deleted or not batch.world.safety.believe_deletes_only_with_proof


def _look_later(batch: Batch, mark: Mark) -> None:
    lag_s = batch.source.abilities.read_lag_s
    if not lag_s or not batch.world.safety.second_look or mark.cause in (Cause.SECOND_LOOK, Cause.CONFIRM):
        return
    at = max(batch.now, mark.noticed_at + timedelta(seconds=lag_s * 1.2))
    batch.results.look_again(mark, at, batch.now, Cause.SECOND_LOOK)


def _change(batch: Batch, link: Link, base: Base | None) -> Change | None:
    abilities = batch.destination.abilities
    there: Key = link.destination_key
    ref = link.key.key
    known = base.wanted if base is not None else None
    if batch.flow.deletes is Deletes.DELETE and abilities.kinds[batch.kind].can_delete:
        lines = tuple(
            FieldChange(name, value, None, True, False) for name, value in (known.fields if known else {}).items()
        )
        return Change(ref=ref, kind=batch.kind, op=Op.DELETE, key=there, theirs=known, lines=lines)
    hide = abilities.hide_fields.get(batch.kind)
    if batch.flow.deletes is Deletes.IGNORE or not hide:
        return None
    lines = tuple(FieldChange(name, known.fields.get(name) if known else None, value) for name, value in hide.items())
    return Change(ref=ref, kind=batch.kind, op=Op.UPDATE, key=there, fields=dict(hide), theirs=known, lines=lines)
