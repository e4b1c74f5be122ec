"""A batch's results, stored in one transaction under the lane's epoch (semantics 3.1, "Complete" and "Fail").

When the epoch has moved, somebody else owns the lane. Then nothing is stored, but every key of the batch is marked
again: our late writes may have overwritten the new owner's, and only doing them once more repairs that (engine.md 2.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from storeweave.model.kinds import ConnectionName
from storeweave.model.records import Cause, FlowKey, Notice
from storeweave.model.state import Acceptance, Done, Failed, LaneHold, MarkRequest, Settlement
from storeweave.storage import journal, lanes, ledger, marks
from storeweave.storage.rows import clean_or_none, hex_or_none, key_columns, to_us
from storeweave.storage.session import Session
from storeweave.storage.statements import Statement

DELETE_DONE = Statement(
    "delete from mark where (flow, kind, key, want) in (select flow, kind, key, want from {rows})",
    rows="flow text, kind text, key text, want bigint",
)
UPDATE_FAILED = Statement(
    """
    update mark set state = r.state, due_at = r.due_at, attempts = r.attempts, reason = r.reason,
        reason_code = r.reason_code, content = r.content, brake = r.brake, verify = (mark.verify or r.verify)
    from {rows}
    where mark.flow = r.flow and mark.kind = r.kind and mark.key = r.key and mark.want = r.want
    """,
    rows="flow text, kind text, key text, want bigint, state text, due_at bigint, attempts integer, reason text, "
    "reason_code text, content text, brake bigint, verify boolean",
)
KEEP_DOUBT = Statement(
    "update mark set verify = true from {rows} where mark.flow = r.flow and mark.kind = r.kind and mark.key = r.key",
    rows="flow text, kind text, key text",
)


def settle(session: Session, hold: LaneHold, settlement: Settlement) -> bool:
    """Store it if the epoch is still ours; otherwise mark what was worked again."""
    in_hand = lanes.guard(session, hold)
    if in_hand is None:
        journal.accept(session, [_again(hold, key, session.now) for key in sorted(set(settlement.worked))])
        return False
    store(session, settlement)
    known = [item.key for items in (settlement.done, settlement.failed) for item in items]
    lanes.put_down(session, hold, in_hand, [*settlement.worked, *known])
    return True


def store(session: Session, settlement: Settlement) -> None:
    """Store a settlement whatever the epoch."""
    touched = [item.key for items in (settlement.done, settlement.failed) for item in items]
    marks.lock(session, touched + [mark.key for item in settlement.again for mark in item.marks])
    ledger.store(session, settlement)
    _finish(session, settlement.done)
    _fail(session, settlement.failed)
    # After the marks that are done, so that a second look at the same key is a mark of its own.
    journal.accept(session, settlement.again)


def _finish(session: Session, done: Sequence[Done]) -> None:
    """Remove marks that nobody has touched since they were claimed."""
    session.run(DELETE_DONE, sorted({(*key_columns(item.key), item.want) for item in done}))


def _fail(session: Session, failed: Sequence[Failed]) -> None:
    rows = {
        item.key: (
            *key_columns(item.key),
            item.want,
            item.state.value,
            to_us(item.due_at),
            item.attempts,
            clean_or_none(item.reason),
            item.reason_code,
            hex_or_none(item.content),
            item.brake,
            item.verify,
        )
        for item in failed
    }
    session.run(UPDATE_FAILED, [rows[key] for key in sorted(rows)])
    # A newer notice doesn't end the doubt whether our write landed: the destination has to be read all the same.
    session.run(KEEP_DOUBT, [key_columns(item.key) for item in failed if item.verify])


def _again(hold: LaneHold, key: FlowKey, at: datetime) -> Acceptance:
    return Acceptance(
        notice=Notice(connection=ConnectionName(hold.lane), kind=key.kind, key=key.key, cause=Cause.RETRY, verify=True),
        received_at=at,
        marks=[MarkRequest(key=key, lane=hold.lane, due_at=at)],
    )
