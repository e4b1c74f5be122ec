"""Retention: rows that are no longer kept go in batches, each its own short transaction.

The journal and the history grow in the order of their numbers, so a walk from the oldest finds what is too old without
an index on time. On SQLite deleted bytes are overwritten (secure_delete) and the write-ahead log is truncated when all
is done, so no content that was purged stays in the files. What may stay, until the database is compacted, are stray
copies of ids in the unused parts of index pages: SQLite moves entries between pages without wiping where they were.
PostgreSQL gives the space back by its own vacuum.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from storeweave.storage.rows import to_us
from storeweave.storage.session import Session
from storeweave.storage.statements import Statement

OLD_NOTICES = Statement("select seq, received_at from journal where seq > :after order by seq limit :batch")
DELETE_NOTICES = Statement(
    """
    delete from journal where seq in (select seq from {rows})
        and seq not in (select want from mark) and (kind, key) not in (select kind, key from mark)
    """,
    rows="seq bigint",
)
OLD_HISTORY = Statement("select id, at from history where id > :after order by id limit :batch")
DELETE_HISTORY = Statement("delete from history where id in (select id from {rows})", rows="id bigint")
DELETE_CONFLICTS = Statement(
    "delete from conflict where id in (select id from conflict where at < :before order by id limit :batch)"
)
DELETE_TOMBSTONES = Statement(
    """
    delete from tombstone where (flow, kind, key) in (
        select flow, kind, key from tombstone where at < :before order by flow, kind, key limit :batch)
    """
)
DELETE_GUARD_OPS = Statement(
    """
    delete from guard_op where (flow, guard, kind, key) in (
        select flow, guard, kind, key from guard_op where at < :before order by flow, guard, kind, key limit :batch)
    """
)

Step = Callable[[Session, datetime, int, int], "tuple[int, int | None]"]
"""(session, before, after, batch) -> how many rows went, and where to go on; None: that was all."""


def notices(session: Session, before: datetime, after: int, batch: int) -> tuple[int, int | None]:
    """Notices that no mark wants any more: not the newest of a mark, nor an older one of the same key."""
    return _walk(session, OLD_NOTICES, DELETE_NOTICES, to_us(before), after, batch)


def lines(session: Session, before: datetime, after: int, batch: int) -> tuple[int, int | None]:
    """Lines of history."""
    return _walk(session, OLD_HISTORY, DELETE_HISTORY, to_us(before), after, batch)


def conflicts(session: Session, before: datetime, after: int, batch: int) -> tuple[int, int | None]:
    """Conflicts."""
    return _sweep(session, DELETE_CONFLICTS, to_us(before), after, batch)


def tombstones(session: Session, before: datetime, after: int, batch: int) -> tuple[int, int | None]:
    """Tombstones."""
    return _sweep(session, DELETE_TOMBSTONES, to_us(before), after, batch)


def guard_ops(session: Session, before: datetime, after: int, batch: int) -> tuple[int, int | None]:
    """What guards counted; their windows are much shorter than any retention."""
    return _sweep(session, DELETE_GUARD_OPS, to_us(before), after, batch)


def _walk(
    session: Session, look: Statement, delete: Statement, before: int, after: int, batch: int
) -> tuple[int, int | None]:
    rows = session.rows(look, after=after, batch=batch)
    if not rows:
        return 0, None
    old = [(number,) for number, at in rows if at < before]
    # Clocks of callers differ a little, so the end is a batch without anything old, not the first newer row.
    more = bool(old) and len(rows) == batch
    return session.run(delete, old), rows[-1][0] if more else None


def _sweep(session: Session, delete: Statement, before: int, after: int, batch: int) -> tuple[int, int | None]:
    gone = session.run(delete, before=before, batch=batch)
    return gone, after if gone == batch else None
