"""From our own state's rows to what people are shown. Pure; which rows, is the views' business."""

from __future__ import annotations

from storeweave.app.shown import (
    BrakeShown,
    CauseShown,
    ConflictShown,
    HistoryEntry,
    ItemRow,
    LineShown,
    RunShown,
)
from storeweave.model.encoding import plain
from storeweave.model.records import FieldChange, FlowKey
from storeweave.model.state import (
    BrakeRow,
    ConflictRow,
    HistoryRow,
    Link,
    Mark,
    MarkState,
    ParkedCause,
    RunRow,
)


def item_row(key: FlowKey, link: Link | None, mark: Mark | None) -> ItemRow:
    """A record with what waits for it."""
    return ItemRow(
        flow=key.flow,
        kind=key.kind,
        key=key.key,
        destination_key=link.destination_key if link else None,
        title=link.title if link else "",
        sku=link.sku if link else None,
        how=link.how if link else None,
        linked_at=link.linked_at if link else None,
        state=mark.state.value if mark else "agrees",
        reason=mark.reason if mark else None,
        reason_code=mark.reason_code if mark else None,
        due_at=mark.due_at if mark and mark.state is not MarkState.HELD else None,
        attempts=mark.attempts if mark else 0,
        cause=mark.cause if mark else None,
    )


def history_entry(row: HistoryRow) -> HistoryEntry:
    """An applied change."""
    return HistoryEntry(
        id=row.id or 0,
        flow=row.key.flow,
        kind=row.key.kind,
        key=row.key.key,
        destination_key=row.destination_key,
        op=row.op,
        lines=[line_shown(line) for line in row.lines],
        cause=row.cause,
        notice=row.notice,
        run=row.run,
        calls=list(row.calls),
        at=row.at,
        lag_ms=row.lag_ms,
    )


def line_shown(line: FieldChange) -> LineShown:
    """One changed field."""
    return LineShown(path=line.path, old=plain(line.old), new=plain(line.new), had=line.had, has=line.has)


def run_shown(row: RunRow) -> RunShown:
    """One pass."""
    return RunShown(
        id=row.id,
        flow=row.flow,
        what=row.what,
        state=row.state,
        started_at=row.started_at,
        ended_at=row.ended_at,
        counts=dict(row.counts),
        note=row.note,
    )


def brake_shown(row: BrakeRow) -> BrakeShown:
    """A guard that tripped."""
    return BrakeShown(
        id=row.id,
        flow=row.flow,
        guard=row.guard,
        opened_at=row.opened_at,
        message=row.message,
        held=row.held,
        list_hash=row.list_hash,
        sample=list(row.sample),
    )


def cause_shown(cause: ParkedCause) -> CauseShown:
    """Parked keys of one cause."""
    return CauseShown(
        flow=cause.flow,
        code=cause.reason_code,
        count=cause.count,
        reason=cause.reason,
        example=f"{cause.example.flow}/{cause.example.kind}/{cause.example.key}",
    )


def conflict_shown(row: ConflictRow) -> ConflictShown:
    """A conflict and its decision."""
    return ConflictShown(
        id=row.id or 0,
        flow=row.key.flow,
        kind=row.key.kind,
        key=row.key.key,
        path=row.path,
        base=plain(row.base),
        source=plain(row.source),
        destination=plain(row.destination),
        choice=row.choice,
        actor=row.actor,
        at=row.at,
    )
