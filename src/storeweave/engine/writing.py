"""Carry a batch out: guards, intents, calls, and what each answer means for its key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta

import msgspec

from storeweave.engine.backoff import backoff_s
from storeweave.engine.batch import Batch
from storeweave.engine.brakes import Brakes, guards_of, loops, refused_value
from storeweave.engine.deletes import burials
from storeweave.engine.deletes import settle as settle_burial
from storeweave.engine.item import Item, created_link, history_row
from storeweave.ledger.agreed import agreed, linked_only
from storeweave.ledger.merge import without
from storeweave.model.errors import (
    LeaseLostError,
    RefusedError,
    StoreweaveError,
    TransientError,
    UnknownOutcomeError,
)
from storeweave.model.kinds import Key
from storeweave.model.records import Cause, Change, FieldChange, FlowKey, Op, Outcome, Priority
from storeweave.model.state import BaseUpdate, HistoryRow, Mark

_DOUBT_S = 2.0
_LOOKS = 6
_IDENTITY = frozenset({"name", "sku", "parent"})


async def carry_out(batch: Batch) -> None:
    """Plan and write one batch; every key of it has a verdict in ``batch.results`` afterwards.

    Raises what concerns the whole batch (a failed read, a lost lease, a refused account). Then the keys that were
    settled before have their verdicts, and ``batch.sending`` says whether the others may have been written.
    """
    items = await _guarded(batch, await batch.plan())
    graves = await burials(batch)
    if not items and not graves:
        return
    if batch.show_hand is not None:
        await batch.show_hand([g.mark.key for g in graves] + [i.key for i in items])
    creates = [i for i in items if i.there is None]
    first_tries = await _open_intents(batch, creates)
    updates = [i for i in items if i.there is not None]
    by_ref = {g.mark.key.key: g for g in graves}
    async for ref, outcome in _send(batch, [g.change for g in graves], Priority.DELETE):
        settle_burial(batch, by_ref[ref], outcome)
    for some, priority in (
        (_urgent(updates), Priority.PRICE),
        (_calm(updates), Priority.NORMAL),
        (creates, Priority.NORMAL),
    ):
        items_by_ref = {i.key.key: i for i in some}
        async for ref, outcome in _send(batch, [change_of(i) for i in some], priority):
            item = items_by_ref[ref]
            _settle(batch, item, outcome)
            if _certainly_not_made(item, outcome) and item.key in first_tries:
                batch.results.intents_done.append(item.key)


async def _open_intents(batch: Batch, creates: Sequence[Item]) -> frozenset[FlowKey]:
    """Remember what is about to be created; those of which no earlier create may still take effect."""
    if not creates:
        return frozenset()
    keys = [i.key for i in creates]
    earlier = await batch.world.store.intents(keys)
    await batch.world.store.open_intents({i.key: i.source.matches for i in creates}, batch.now)
    return frozenset(keys) - earlier.keys()


def _certainly_not_made(item: Item, outcome: Outcome) -> bool:
    """A create that was refused as a whole: whatever comes next need not wait for it to land."""
    error = outcome.error
    return (
        item.link is None
        and outcome.key is None
        and isinstance(error, RefusedError)
        and error.code not in ("missing", "duplicate", "partial")
    )


def change_of(item: Item) -> Change:
    """The change that a planned item stands for."""
    return Change(
        ref=item.key.key,
        kind=item.key.kind,
        op=Op.CREATE if item.there is None else Op.UPDATE,
        key=item.there,
        fields=item.merge.fields,
        parts=item.merge.parts,
        wanted=item.wanted.record,
        theirs=item.theirs if item.theirs is not None else (item.base.wanted if item.base else None),
        lines=item.merge.lines,
    )


def _urgent(items: Sequence[Item]) -> list[Item]:
    return [i for i in items if _touches_price(i.merge.lines)]


def _calm(items: Sequence[Item]) -> list[Item]:
    return [i for i in items if not _touches_price(i.merge.lines)]


def _touches_price(lines: Sequence[FieldChange]) -> bool:
    return any(line.path.endswith(("price", "availability", "is_visible", "inventory_level")) for line in lines)


async def _guarded(batch: Batch, items: Sequence[Item]) -> list[Item]:
    """Hold what a brake stops, park what must never be written."""
    limits = batch.flow.brakes
    items = await _not_renamed_too_soon(batch, items)
    recent = await _recent_writes(batch, items)
    passed: list[Item] = []
    concerned: dict[str, list[Mark]] = {}
    for item in items:
        reason = refused_value(item.merge.lines)
        if batch.world.safety.loop_brake:
            _stop_loops(batch, item, loops(recent.get(item.key, ()), item.merge.lines, limits.loop_writes))
        if reason is not None:
            batch.results.fail(item.mark, RefusedError(reason, code="value"), batch.now, item.source.digest)
        elif item.merge.agrees and item.there is not None:
            continue  # nothing is left of it; parked until the window is over
        else:
            passed.append(item)
            for guard in guards_of(item.merge.lines, limits):
                concerned.setdefault(guard, []).append(item.mark)
    verdict = await Brakes(batch.world.store, batch.world.safety).values(batch.flow, batch.kind, concerned, batch.now)
    for item in passed:
        if item.key in verdict.held:
            batch.results.hold(item.mark, *verdict.held[item.key], batch.now)
    return [i for i in passed if i.key not in verdict.held]


def _stop_loops(batch: Batch, item: Item, paths: frozenset[str]) -> None:
    """Leave the looping fields alone for a while; the others are written. Looked at again when the window is over."""
    if not paths:
        return
    names = ", ".join(sorted(paths))
    item.merge = without(item.merge, paths, item.base)
    reason = f"{names} goes to and fro between the same values: somebody else writes it, too; stop one of the two"
    at = batch.now + timedelta(seconds=batch.flow.brakes.loop_window_s)
    if item.merge.agrees:
        batch.results.park(item.mark, reason, "loop", batch.now, item.source.digest, until=at)
    else:
        batch.results.look_again(item.mark, at, batch.now, Cause.CONFIRM, verify=True)


async def _not_renamed_too_soon(batch: Batch, items: Sequence[Item]) -> list[Item]:
    """A create that had no answer may still land: until then the record keeps the name that refuses the copy."""
    renamed = [i.key for i in items if i.there is not None and _touches_identity(i.merge.lines)]
    intents = await batch.world.store.intents(renamed) if renamed else {}
    ready = []
    for item in items:
        wait_s = batch.landing_wait_s(intents[item.key][0]) if item.key in intents else 0.0
        if wait_s > 0:
            reason = "it was created without an answer; renamed when that can no longer come true twice"
            batch.results.later(item.mark, batch.now, wait_s, reason, "intent", counted=False, verify=True)
        else:
            ready.append(item)
    return ready


def _touches_identity(lines: Sequence[FieldChange]) -> bool:
    return any(line.path.rpartition("/")[2] in _IDENTITY for line in lines)


async def _recent_writes(batch: Batch, items: Sequence[Item]) -> Mapping[FlowKey, Sequence[HistoryRow]]:
    since = batch.now - timedelta(seconds=batch.flow.brakes.loop_window_s)
    asked: list[FlowKey] = [
        i.key for i in items if i.base is not None and i.base.written_at and i.base.written_at > since
    ]
    return await batch.world.store.recent_writes(asked, since) if asked else {}


async def _send(batch: Batch, changes: Sequence[Change], priority: Priority) -> AsyncIterator[tuple[Key, Outcome]]:
    """Write in calls of the size that the connector takes; each answer is settled before the next call."""
    size = batch.destination.abilities.kinds[batch.kind].write_batch
    for start in range(0, len(changes), size):
        some = changes[start : start + size]
        batch.sending = True
        outcomes = await batch.destination.write(batch.kind, some, batch.permit(priority))
        batch.sending = False
        for change in some:
            unknown = UnknownOutcomeError("the connector gave no outcome for this change")
            yield change.ref, outcomes.get(change.ref, Outcome(error=unknown))


def _settle(batch: Batch, item: Item, outcome: Outcome) -> None:
    if outcome.error is not None:
        _settle_failure(batch, item, outcome, outcome.error)
        return
    created = item.link is None
    if item.link is None:
        if outcome.key is None:
            raise LookupError(f"{item.key} was created, and the connector does not say under which key")
        item.link = created_link(item, outcome.key, batch.now)
    base = agreed(
        item.wanted.record,
        destination_key=item.link.destination_key,
        merge=item.merge,
        before=item.base,
        links=item.links,
        part_keys=outcome.part_keys,
        shown=outcome.record if batch.world.safety.learn_lossy_fields else None,
        source_digest=b"" if item.wanted.left_out else item.source.digest,
        written_at=batch.now,
    )
    results = batch.results
    results.bases.append(BaseUpdate(key=item.key, base=base, link=item.link))
    results.history.append(
        history_row(
            item,
            "create" if created else "update",
            _with_keys(item.merge.lines, outcome.part_keys),
            outcome.calls,
            batch.now,
        )
    )
    results.written += 1
    if base.doubts:  # the answer shows something else than what we wrote: look again in a moment
        at = batch.now + timedelta(seconds=max(_DOUBT_S, batch.destination.abilities.read_lag_s * 1.2))
        results.look_again(item.mark, at, batch.now, Cause.CONFIRM, verify=True)
    batch.fresh[(batch.kind, item.key.key)] = item.link.destination_key
    batch.confirm_if_doubtful(item.mark)
    results.done(item.mark)


def _with_keys(lines: Sequence[FieldChange], part_keys: Mapping[str, Mapping[str, str]]) -> tuple[FieldChange, ...]:
    """The lines with the keys that new parts got, so that undo finds them again."""
    named = []
    for line in lines:
        collection, _, rest = line.path.partition("/")
        key = part_keys.get(collection, {}).get(rest)
        named.append(line if key is None else msgspec.structs.replace(line, path=f"{collection}/{key}"))
    return tuple(named)


def _settle_failure(batch: Batch, item: Item, outcome: Outcome, error: StoreweaveError) -> None:
    """Keep what is known to exist now, then sort the error."""
    results = batch.results
    if isinstance(error, LeaseLostError):
        raise error
    if item.link is None and outcome.key is not None:
        links = {c: dict(m) for c, m in item.links.items()}
        for collection, keys in outcome.part_keys.items():
            links.setdefault(collection, {}).update({new.removeprefix("+"): key for new, key in keys.items()})
        link = created_link(item, outcome.key, batch.now)
        base = linked_only(item.source, outcome.key, links)
        results.bases.append(BaseUpdate(key=item.key, base=base, link=link))
        batch.fresh[(batch.kind, item.key.key)] = outcome.key
    if isinstance(error, RefusedError) and error.code in ("missing", "duplicate") and item.mark.attempts < _LOOKS:
        # It is there under our own name, or gone, or another record is about to give the name up: look again soon.
        wait_s = 0.1 if item.mark.attempts == 0 else backoff_s(item.mark.attempts, batch.world.rng)
        results.later(item.mark, batch.now, wait_s, str(error), error.code, verify=True)
    else:
        results.fail(item.mark, _not_too_soon(batch, outcome, error), batch.now, item.source.digest)


def _not_too_soon(batch: Batch, outcome: Outcome, error: StoreweaveError) -> StoreweaveError:
    """Half of it is written, and a read may not show that half yet: whoever tried again now would make it twice."""
    shown_after_s = batch.destination.abilities.read_lag_s * 1.2
    half_done = outcome.record is not None or bool(outcome.part_keys)
    if not half_done or not shown_after_s or not isinstance(error, TransientError):
        return error
    return type(error)(str(error), wait_s=max(error.wait_s or 0.0, shown_after_s), code=error.code)
