"""Applied changes and conflicts, for ``explain``, ``history`` and ``undo``, and the counts that guards go by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from storeweave.model.kinds import FlowName
from storeweave.model.records import FlowKey
from storeweave.model.state import ConflictRow, HistoryRow
from storeweave.storage.rows import (
    CONFLICT_COLUMNS,
    HISTORY_COLUMNS,
    conflict_columns,
    history_columns,
    key_columns,
    key_rows,
    to_conflict,
    to_history,
    to_us,
    to_us_or_none,
)
from storeweave.storage.session import Session
from storeweave.storage.statements import Conditions, Statement

INSERT_HISTORY = Statement(
    """
    insert into history (flow, kind, key, destination_key, op, detail, cause, notice, run, at, lag_ms)
    select flow, kind, key, destination_key, op, detail, cause, notice, run, at, lag_ms from {rows}
    """,
    rows="flow text, kind text, key text, destination_key text, op text, detail bytea, cause text, notice bigint, "
    "run bigint, at bigint, lag_ms bigint",
)
INSERT_CONFLICTS = Statement(
    """
    insert into conflict (flow, kind, key, path, base, source, destination, choice, actor, at)
    select flow, kind, key, path, base, source, destination, choice, actor, at from {rows}
    """,
    rows="flow text, kind text, key text, path text, base text, source text, destination text, choice text, "
    "actor text, at bigint",
)
LIST = f"select {HISTORY_COLUMNS} from history where {{where}} order by id desc limit :limit"
RECENT = Statement(
    """
    select h.id, h.flow, h.kind, h.key, h.destination_key, h.op, h.detail, h.cause, h.notice, h.run, h.at, h.lag_ms
    from {rows} join history h on h.flow = r.flow and h.kind = r.kind and h.key = r.key
    where h.at >= :since and h.op not in ('link', 'unlink')
    order by h.id
    """,
    rows="flow text, kind text, key text",
)
CONFLICTS = f"select {CONFLICT_COLUMNS} from conflict where {{where}} order by id desc limit :limit"
COUNT_OPS = Statement("select count(*) from guard_op where flow = :flow and guard = :guard and at >= :since")
NOTE_OPS = Statement(
    """
    insert into guard_op (flow, guard, kind, key, at)
    select flow, :guard, kind, key, :at from {rows} where true
    on conflict (flow, guard, kind, key) do update set at = {greatest}(guard_op.at, excluded.at)
    """,
    rows="flow text, kind text, key text",
)


def add(session: Session, lines: Sequence[HistoryRow], conflicts: Sequence[ConflictRow]) -> None:
    """Append."""
    session.run(INSERT_HISTORY, [history_columns(row) for row in lines])
    session.run(INSERT_CONFLICTS, [conflict_columns(row) for row in conflicts])


def listed(
    session: Session,
    flow: FlowName | None,
    key: FlowKey | None,
    run: int | None,
    since: datetime | None,
    ops: Sequence[str] | None,
    before: int | None,
    limit: int,
) -> list[HistoryRow]:
    """Applied changes, newest first."""
    asked = Conditions(limit=limit)
    asked.add("flow = :flow", flow=flow)
    if key is not None:
        asked.add("flow = :a and kind = :b and key = :c", a=key.flow, b=key.kind.value, c=key.key)
    asked.add("run = :run", run=run)
    asked.add("at >= :since", since=to_us_or_none(since))
    asked.add("id < :before", before=before)
    if ops is not None:
        names = {f"op_{chr(97 + place)}": op for place, op in enumerate(ops)}
        asked.add(" or ".join(f"op = :{name}" for name in names).join("()") if names else "false", **names)
    return [to_history(row) for row in session.rows(asked.statement(LIST), **asked.parameters)]


def recent_writes(session: Session, keys: Sequence[FlowKey], since: datetime) -> Mapping[FlowKey, list[HistoryRow]]:
    """Writes of these keys since then, oldest first; keys without any are left out."""
    found: dict[FlowKey, list[HistoryRow]] = {}
    for row in session.rows(RECENT, key_rows(keys), since=to_us(since)):
        line = to_history(row)
        found.setdefault(line.key, []).append(line)
    return found


def conflicts(session: Session, flow: FlowName | None, limit: int) -> list[ConflictRow]:
    """Conflicts, newest first."""
    asked = Conditions(limit=limit)
    asked.add("flow = :flow", flow=flow)
    return [to_conflict(row) for row in session.rows(asked.statement(CONFLICTS), **asked.parameters)]


def count_ops(session: Session, flow: FlowName, guard: str, since: datetime) -> int:
    """How many keys a guard has counted since then."""
    row = session.row(COUNT_OPS, flow=flow, guard=guard, since=to_us(since))
    return row[0] if row else 0


def note_ops(session: Session, flow: FlowName, guard: str, keys: Sequence[FlowKey], at: datetime) -> None:
    """Count them; a key counts once, at the time it was counted last."""
    rows = sorted({(flow, *key_columns(key)[1:]) for key in keys})
    session.run(NOTE_OPS, rows, guard=guard, at=to_us(at))
