"""Brakes: what a guard holds, and a person's word on it.

A release names count and hash of what was shown, so that nothing passes that nobody has seen. The keys then carry the
number of that brake, which lets them pass it once; the brake is closed, and a guard that trips again opens a new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from storeweave.model.errors import RefusedError
from storeweave.model.kinds import FlowName
from storeweave.model.state import BrakeRow
from storeweave.storage.rows import clean, from_us, to_us
from storeweave.storage.session import Columns, Session
from storeweave.storage.statements import Statement

SAMPLE = 10

OPEN = Statement(
    """
    insert into brake (flow, guard, opened_at, message) values (:flow, :guard, :at, :message)
    on conflict (flow, guard) where closed_at is null do nothing
    """
)
OPENED = Statement("select id from brake where flow = :flow and guard = :guard and closed_at is null")
LIST_OPEN = Statement("select id, flow, guard, opened_at, message from brake where closed_at is null order by id")
LOCK_OPEN = Statement("select id from brake where id = :brake and closed_at is null {for_update}")
CLOSE = Statement("update brake set closed_at = :at where id = :brake")
_HELD = "select flow, kind, key from mark where brake = :brake and state = 'held' order by flow, kind, key"
HELD = Statement(_HELD)
LOCK_HELD = Statement(_HELD + " {for_update}")
LET_PASS = Statement(
    """
    update mark set state = 'dirty', due_at = :now, attempts = 0, allowed_brake = :brake, brake = null
    where brake = :brake and state = 'held'
    """
)
DROP = Statement("delete from mark where brake = :brake and state = 'held'")


def open_brake(session: Session, flow: FlowName, guard: str, message: str, at: datetime) -> int:
    """The id of the open brake of this flow and guard."""
    session.run(OPEN, flow=flow, guard=guard, at=to_us(at), message=clean(message))
    row = session.row(OPENED, flow=flow, guard=guard)
    if row is None:
        raise AssertionError(f"the {guard} brake of {flow} was opened just now and isn't there")
    return int(row[0])


def listed(session: Session) -> list[BrakeRow]:
    """Open brakes with what they hold."""
    return [_brake_row(session, row) for row in session.rows(LIST_OPEN)]


def _brake_row(session: Session, row: Columns) -> BrakeRow:
    number, flow, guard, opened_at, message = row
    held = _keys(session.rows(HELD, brake=number))
    return BrakeRow(
        id=number,
        flow=flow,
        guard=guard,
        opened_at=from_us(opened_at),
        message=message,
        held=len(held),
        list_hash=_list_hash(held),
        sample=tuple(f"{kind} {key}" for _, kind, key in held[:SAMPLE]),
    )


def release(session: Session, brake: int, count: int, list_hash: str, now: datetime) -> int:
    """Let what is held pass, if it still is what was shown."""
    held = _lock(session, brake)
    if (len(held), _list_hash(held)) != (count, list_hash):
        raise RefusedError(
            f"brake {brake} holds {len(held)} keys ({_list_hash(held)}) now, not the {count} ({list_hash}) that were "
            "shown; look at the list again",
            code="list-changed",
        )
    released = session.run(LET_PASS, brake=brake, now=to_us(now))
    session.run(CLOSE, brake=brake, at=to_us(now))
    return released


def drop(session: Session, brake: int) -> int:
    """Give up what is held."""
    _lock(session, brake)
    dropped = session.run(DROP, brake=brake)
    session.run(CLOSE, brake=brake, at=session.now_us)
    return dropped


def _lock(session: Session, brake: int) -> list[tuple[str, str, str]]:
    """Keep an open brake and what it holds from changing until the end of the transaction; the keys it holds."""
    if session.row(LOCK_OPEN, brake=brake) is None:
        raise RefusedError(f"there is no open brake {brake}; list the brakes again", code="no-brake")
    return _keys(session.rows(LOCK_HELD, brake=brake))


def _keys(rows: Sequence[Columns]) -> list[tuple[str, str, str]]:
    return [(flow, kind, key) for flow, kind, key in rows]


def _list_hash(held: Sequence[tuple[str, str, str]]) -> str:
    digest = hashlib.sha256()
    for parts in sorted(held):
        digest.update("\0".join(parts).encode() + b"\n")
    return digest.hexdigest()[:12]
