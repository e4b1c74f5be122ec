"""Notices kept, and the marks they make (semantics 3.1, "Accept"). Reading marks is ``marks.py``.

A notice's number orders it among all others and becomes ``want`` of its marks. A mark that exists always gets a *new*
``want``, so that nobody who claimed it before can clear it: on PostgreSQL another process may commit a later number
first, and then the mark takes a fresh one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from storeweave.model.kinds import ConnectionName
from storeweave.model.records import CAUSE_RANK, RANK, Cause, Event, FlowKey
from storeweave.model.state import Acceptance
from storeweave.storage.rows import KIND_RANK, clean, from_us, from_us_or_none, hex_or_none, to_us, to_us_or_none
from storeweave.storage.session import Session
from storeweave.storage.statements import Conditions, Statement

CHANNEL = "storeweave_lane"
"""Of PostgreSQL's NOTIFY; the payload is a lane's name."""

LAST_NUMBER = Statement("select seq from sqlite_sequence where name = 'journal'")
NEXT_NUMBERS = Statement("select nextval('journal_number') from generate_series(1, :count)")

INSERT_NOTICES = Statement(
    """
    insert into journal
        (seq, connection, delivery_id, kind, key, cause, event, topic, happened_at, received_at, body_hash)
    select seq, connection, delivery_id, kind, key, cause, event, topic, happened_at, received_at, body_hash
    from {rows} where true
    on conflict do nothing
    """,
    rows="seq bigint, connection text, delivery_id text, kind text, key text, cause text, event text, topic text, "
    "happened_at bigint, received_at bigint, body_hash text",
)
STORED_NUMBERS = Statement("select seq from journal where seq in (select seq from {rows})", rows="seq bigint")

_RANKS = " ".join(f"when '{cause.value}' then {rank}" for cause, rank in CAUSE_RANK.items())
_LOOKS = frozenset({Cause.SECOND_LOOK.value, Cause.CONFIRM.value})
"""Causes whose time is their point: of two such looks the later one serves both."""
_PATIENT = frozenset({Cause.SWEEP.value, Cause.DRIFT.value, Cause.REFERENCE.value})
"""Causes after which nobody looks again. One that meets a planned look brings it forward, so it has to be planned anew:
the two together count as a retry, which asks for all looks afterwards."""
_RANK_OF = {
    "looks": ", ".join(f"'{cause}'" for cause in sorted(_LOOKS)),
    "patient": ", ".join(f"'{cause}'" for cause in sorted(_PATIENT)),
    "rank_new": f"(case excluded.cause {_RANKS} end)",
    "rank_old": f"(case mark.cause {_RANKS} end)",
}

UPSERT_MARKS = Statement(
    # A delete notice stays believable until the key was looked at, whatever else is told of it meanwhile. The moment
    # it is about is the latest one known, or unknown. Work that ends now may mark a key for later with the time when it
    # began: that must not make a notice that came meanwhile look older than it is.
    """
    insert into mark
        (flow, kind, key, lane, kind_rank, want, state, due_at, first_at, noticed_at, happened_at, attempts,
         priority_rank, cause, deleted, verify, run)
    select flow, kind, key, lane, kind_rank, want, 'dirty', due_at, first_at, noticed_at, happened_at, 0,
        priority_rank, cause, deleted, verify, run
    from {rows} where true
    on conflict (flow, kind, key) do update set
        lane = excluded.lane,
        want = {new_want},
        state = 'dirty',
        due_at = case when mark.state = 'dirty' and mark.cause in ({looks}) and excluded.cause in ({looks})
            then {greatest}(mark.due_at, excluded.due_at)
            else {least}(mark.due_at, excluded.due_at) end,
        first_at = case when mark.state = 'dirty' then mark.first_at else excluded.first_at end,
        noticed_at = {greatest}(mark.noticed_at, excluded.noticed_at),
        happened_at = case when mark.happened_at is null or excluded.happened_at is null then null
            else {greatest}(mark.happened_at, excluded.happened_at) end,
        attempts = 0,
        priority_rank = {least}(mark.priority_rank, excluded.priority_rank),
        cause = case
            when mark.state = 'dirty' and mark.cause in ({looks}) and excluded.cause in ({patient})
                or mark.state = 'dirty' and mark.cause in ({patient}) and excluded.cause in ({looks}) then 'retry'
            when mark.state <> 'dirty' or {rank_new} <= {rank_old} then excluded.cause else mark.cause end,
        deleted = (mark.deleted or excluded.deleted),
        verify = (mark.verify or excluded.verify),
        run = coalesce(excluded.run, mark.run),
        brake = null
    """,
    rows="flow text, kind text, key text, lane text, kind_rank smallint, want bigint, due_at bigint, "
    "first_at bigint, noticed_at bigint, happened_at bigint, priority_rank smallint, cause text, deleted boolean, "
    "verify boolean, run bigint",
    sqlite={"new_want": "max(mark.want, excluded.want)"} | _RANK_OF,
    postgresql={"new_want": "case when excluded.want > mark.want then excluded.want else nextval('journal_number') end"}
    | _RANK_OF,
)
RING_IDLE_LANES = Statement(
    """
    select pg_notify(:channel, r.lane) from {rows}
    where not exists (
        select 1 from lane l where l.lane = r.lane
        and ((l.holder is not null and l.lease_until > {now}) or l.paused_until > {now}))
    """,
    rows="lane text",
)
LAST_WEBHOOK = Statement(
    "select received_at from journal where connection = :connection and cause = 'webhook' order by seq desc limit 1"
)
TAIL = """
    select seq, connection, delivery_id, kind, key, cause, event, topic, happened_at, received_at
    from journal where {where} order by seq desc limit :limit
"""


def accept_all(session: Session, calls: Sequence[Sequence[Acceptance]]) -> list[list[int | None]]:
    """Store the notices of many callers; to each its numbers."""
    numbers = iter(accept(session, [item for items in calls for item in items]))
    return [[next(numbers) for _ in items] for items in calls]


def accept(session: Session, items: Sequence[Acceptance]) -> list[int | None]:
    """Store notices with their marks; the number of each, None where the delivery id was known already."""
    if not items:
        return []
    numbers = _take_numbers(session, len(items))
    rows = [_notice_row(number, item) for number, item in zip(numbers, items, strict=True)]
    fresh: list[int | None] = list(numbers)
    if session.run(INSERT_NOTICES, rows) < len(rows):
        stored = {seq for (seq,) in session.rows(STORED_NUMBERS, [(number,) for number in numbers])}
        fresh = [number if number in stored else None for number in numbers]
    marks: dict[FlowKey, _MarkRow] = {}
    for number, item in zip(fresh, items, strict=True):
        if number is not None:
            _add_marks(marks, number, item)
    session.run(UPSERT_MARKS, [marks[key] for key in sorted(marks)])
    if session.dialect == "postgresql":
        session.rows(RING_IDLE_LANES, _lanes(marks.values()), channel=CHANNEL)
    return fresh


def _take_numbers(session: Session, count: int) -> Sequence[int]:
    if session.dialect == "postgresql":
        return [number for (number,) in session.rows(NEXT_NUMBERS, count=count)]
    # The write lock is ours until the commit, so the numbers after the last are ours, too.
    row = session.row(LAST_NUMBER)
    first = (row[0] if row else 0) + 1
    return range(first, first + count)


def _notice_row(number: int, item: Acceptance) -> tuple[Any, ...]:
    notice = item.notice
    return (
        number,
        notice.connection,
        notice.delivery_id,
        notice.kind.value,
        notice.key,
        notice.cause.value,
        notice.event.value,
        clean(notice.topic),
        to_us_or_none(notice.happened_at),
        to_us(item.received_at),
        hex_or_none(notice.body_hash),
    )


class _MarkRow(NamedTuple):
    """A row of ``UPSERT_MARKS``."""

    flow: str
    kind: str
    key: str
    lane: str
    kind_rank: int
    want: int
    due_at: int
    first_at: int
    noticed_at: int
    happened_at: int | None
    priority_rank: int
    cause: str
    deleted: bool
    verify: bool
    run: int | None

    def after(self, older: _MarkRow) -> _MarkRow:
        """This one when an older one of the same key comes before it in one call: what the upsert does, done here."""
        return self._replace(
            due_at=_due(self, older),
            first_at=older.first_at,
            noticed_at=max(self.noticed_at, older.noticed_at),
            happened_at=_latest_known(self.happened_at, older.happened_at),
            priority_rank=min(self.priority_rank, older.priority_rank),
            cause=_cause(self, older),
            deleted=self.deleted or older.deleted,
            verify=self.verify or older.verify,
            run=older.run if self.run is None else self.run,
        )


def _due(newer: _MarkRow, older: _MarkRow) -> int:
    both_look = {newer.cause, older.cause} <= _LOOKS
    return max(newer.due_at, older.due_at) if both_look else min(newer.due_at, older.due_at)


def _cause(newer: _MarkRow, older: _MarkRow) -> str:
    causes = {newer.cause, older.cause}
    if causes & _LOOKS and causes & _PATIENT:
        return Cause.RETRY.value
    return min(newer.cause, older.cause, key=_CAUSE_RANK.__getitem__)


_CAUSE_RANK = {cause.value: rank for cause, rank in CAUSE_RANK.items()}


def _latest_known(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def _add_marks(marks: dict[FlowKey, _MarkRow], number: int, item: Acceptance) -> None:
    """One row per key: an upsert takes each key once."""
    notice, received_at = item.notice, to_us(item.received_at)
    for request in item.marks:
        key = request.key
        row = _MarkRow(
            flow=key.flow,
            kind=key.kind.value,
            key=key.key,
            lane=request.lane,
            kind_rank=KIND_RANK[key.kind],
            want=number,
            due_at=to_us(request.due_at),
            first_at=received_at,
            noticed_at=received_at,
            happened_at=to_us_or_none(notice.happened_at),
            priority_rank=RANK[notice.priority],
            cause=notice.cause.value,
            deleted=notice.event is Event.DELETED,
            verify=notice.verify,
            run=notice.run,
        )
        older = marks.get(key)
        marks[key] = row if older is None else row.after(older)


def _lanes(rows: Iterable[_MarkRow]) -> list[tuple[str]]:
    return [(lane,) for lane in sorted({row.lane for row in rows})]


def last_webhook_at(session: Session, name: ConnectionName) -> datetime | None:
    """When the newest webhook notice of a connection came."""
    row = session.row(LAST_WEBHOOK, connection=name)
    return from_us_or_none(row[0] if row else None)


def tail(session: Session, key: FlowKey | None, number: int | None, limit: int) -> list[Mapping[str, object]]:
    """Journal rows for people, newest first."""
    asked = Conditions(limit=limit)
    if key is not None:
        asked.add("kind = :kind and key = :key", kind=key.kind.value, key=key.key)
    asked.add("seq = :number", number=number)
    return [
        {
            "number": row[0],
            "connection": row[1],
            "delivery_id": row[2],
            "kind": row[3],
            "key": row[4],
            "cause": row[5],
            "event": row[6],
            "topic": row[7],
            "happened_at": from_us_or_none(row[8]),
            "received_at": from_us(row[9]),
        }
        for row in session.rows(asked.statement(TAIL), **asked.parameters)
    ]
