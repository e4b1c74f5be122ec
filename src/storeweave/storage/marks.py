"""Marks read and moved: what is due, what people see, what they retry. Making marks is ``journal.py``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from storeweave.model.kinds import FlowName, LaneName
from storeweave.model.records import FlowKey
from storeweave.model.state import Backlog, Mark, MarkState, ParkedCause
from storeweave.storage.rows import MARK_COLUMNS, from_us_or_none, key_rows, to_key, to_mark, to_us
from storeweave.storage.session import Session
from storeweave.storage.statements import Conditions, Statement

DUE = Statement(
    # "+ 0" keeps the databases from finding all that is due by its time, to sort it, for the few whose turn it is.
    f"""
    select {MARK_COLUMNS} from mark
    where lane = :lane and state <> 'held' and due_at + 0 <= :now
    order by kind_rank, priority_rank, due_at, flow, key
    limit :limit
    """
)
NEXT_DUE = Statement("select min(due_at) from mark where lane = :lane and state <> 'held'")
LANES_DUE = Statement(
    # The recursion hops from lane to lane through the index, however many marks each has.
    """
    with recursive known (lane) as (
        select min(lane) from mark where state <> 'held'
        union all
        select (select min(m.lane) from mark m where m.state <> 'held' and m.lane > known.lane)
        from known where known.lane is not null)
    select known.lane from known left join lane l on l.lane = known.lane
    where known.lane is not null
        and (l.holder is null or l.lease_until <= {now})
        and (l.paused_until is null or l.paused_until <= :now)
        and exists (
            select 1 from mark m where m.lane = known.lane and m.state <> 'held' and m.due_at <= :now)
    order by known.lane
    """
)
LOCK_MARKS = Statement(
    "select 1 from {rows} join mark m on m.flow = r.flow and m.kind = r.kind and m.key = r.key "
    "order by m.flow, m.kind, m.key for update of m",
    rows="flow text, kind text, key text",
)
MOVE = Statement(
    """
    update mark set state = :state, due_at = :due_at, brake = null,
        attempts = case when :state = 'dirty' then 0 else mark.attempts end,
        reason_code = coalesce(:reason_code, mark.reason_code)
    from {rows}
    where mark.flow = r.flow and mark.kind = r.kind and mark.key = r.key
    """,
    rows="flow text, kind text, key text",
)
LIST = f"select {MARK_COLUMNS} from mark where {{where}} order by flow, kind, key limit :limit"
PARKED = "select flow, kind, key from mark where state = 'parked' and {where} order by flow, kind, key {for_update}"
BACKLOG = Statement(
    """
    select flow, kind,
        sum(case when state = 'dirty' and not (attempts > 0 and due_at > :now) then 1 else 0 end),
        sum(case when state = 'dirty' and attempts > 0 and due_at > :now then 1 else 0 end),
        sum(case when state = 'parked' then 1 else 0 end),
        sum(case when state = 'held' then 1 else 0 end),
        min(case when state = 'dirty' then first_at end)
    from mark group by flow, kind order by flow, kind
    """
)
PARKED_CAUSES = Statement(
    """
    select flow, code, count, kind, key, reason from (
        select flow, coalesce(reason_code, '') as code, kind, key, coalesce(reason, '') as reason,
            count(*) over (partition by flow, coalesce(reason_code, '')) as count,
            row_number() over (partition by flow, coalesce(reason_code, '') order by kind_rank, key) as place
        from mark where state = 'parked') as parked
    where place = 1 order by flow, code
    """
)


def due(session: Session, lane: LaneName, now: datetime, limit: int) -> list[Mark]:
    """Marks to work on, in their turn."""
    return [to_mark(row) for row in session.rows(DUE, lane=lane, now=to_us(now), limit=limit)]


def next_due(session: Session, lane: LaneName) -> datetime | None:
    """When the next mark of this lane comes due."""
    row = session.row(NEXT_DUE, lane=lane)
    return from_us_or_none(row[0] if row else None)


def lanes_due(session: Session, now: datetime) -> list[LaneName]:
    """Lanes that somebody should take."""
    return [LaneName(lane) for (lane,) in session.rows(LANES_DUE, now=to_us(now))]


def lock(session: Session, keys: Sequence[FlowKey]) -> None:
    """Lock marks in key order before changing them in any other; SQLite has one writer and needs none."""
    if session.dialect == "postgresql":
        session.rows(LOCK_MARKS, key_rows(keys))


def move(session: Session, keys: Sequence[FlowKey], state: MarkState, due_at: datetime, reason_code: str | None) -> int:
    """Move existing marks by hand; the number moved."""
    lock(session, keys)
    return session.run(MOVE, key_rows(keys), state=state.value, due_at=to_us(due_at), reason_code=reason_code)


def retry_parked(session: Session, flow: FlowName | None, reason_code: str | None, now: datetime) -> int:
    """Make parked marks dirty and due; the number."""
    asked = Conditions()
    asked.add("flow = :flow", flow=flow)
    asked.add("reason_code = :reason_code", reason_code=reason_code)
    parked = [to_key(*row) for row in session.rows(asked.statement(PARKED), **asked.parameters)]
    return move(session, parked, MarkState.DIRTY, now, None)


def listed(
    session: Session,
    flow: FlowName | None,
    state: MarkState | None,
    reason_code: str | None,
    key: FlowKey | None,
    limit: int,
    after: FlowKey | None,
) -> list[Mark]:
    """Marks for people, in key order."""
    asked = Conditions(limit=limit)
    asked.add("flow = :flow", flow=flow)
    asked.add("state = :state", state=state.value if state else None)
    asked.add("reason_code = :reason_code", reason_code=reason_code)
    if key is not None:
        asked.add("flow = :a and kind = :b and key = :c", a=key.flow, b=key.kind.value, c=key.key)
    if after is not None:
        asked.add("(flow, kind, key) > (:x, :y, :z)", x=after.flow, y=after.kind.value, z=after.key)
    return [to_mark(row) for row in session.rows(asked.statement(LIST), **asked.parameters)]


def backlog(session: Session, now: datetime) -> list[Backlog]:
    """Counts by flow and kind. A mark that waits after a failure is backing off, not dirty."""
    return [
        Backlog(
            flow=row[0],
            kind=to_key(row[0], row[1], "").kind,
            dirty=int(row[2]),
            backing_off=int(row[3]),
            parked=int(row[4]),
            held=int(row[5]),
            oldest_at=from_us_or_none(row[6]),
        )
        for row in session.rows(BACKLOG, now=to_us(now))
    ]


def parked_causes(session: Session) -> list[ParkedCause]:
    """Parked marks grouped by flow and reason code."""
    return [
        ParkedCause(
            flow=row[0], reason_code=row[1], count=row[2], example=to_key(row[0], row[3], row[4]), reason=row[5]
        )
        for row in session.rows(PARKED_CAUSES)
    ]
