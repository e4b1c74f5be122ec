"""Lanes: who owns the way into a destination, until when, and what that owner may still be writing.

The epoch is the fence: it rises whenever a lane is taken or given back, so a hold is worth something only while its
epoch is the row's. What is in hand outlives its owner. It goes when that owner settles it or replaces it, never by
giving the lane back: a call that was cut short may still land, and the next owner is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from storeweave.model.kinds import LaneName
from storeweave.model.records import FlowKey
from storeweave.model.state import LaneHold
from storeweave.storage.rows import from_us, json_text, to_keys, to_us_or_none
from storeweave.storage.session import Session
from storeweave.storage.statements import Statement

ENSURE = Statement(
    "insert into lane (lane, epoch, lease_until, in_hand) values (:lane, 0, 0, '[]') on conflict (lane) do nothing"
)
LEASE = "select holder is not null and lease_until > {now}, holder, in_hand from lane where lane = :lane"
PEEK = Statement(LEASE)
LOCK = Statement(LEASE + " {for_update}")
TAKE = Statement(
    "update lane set epoch = epoch + 1, holder = :holder, lease_until = {now} + :lease_us where lane = :lane "
    "returning epoch"
)
RENEW = Statement(
    """
    update lane set lease_until = {now} + :lease_us, in_hand = coalesce(:in_hand, in_hand)
    where lane = :lane and epoch = :epoch
    """
)
RELEASE = Statement(
    "update lane set epoch = epoch + 1, holder = null, lease_until = 0 where lane = :lane and epoch = :epoch"
)
GUARD = Statement("select in_hand from lane where lane = :lane and epoch = :epoch {for_update}")
SET_IN_HAND = Statement("update lane set in_hand = :in_hand where lane = :lane and epoch = :epoch")
PAUSE = Statement(
    """
    insert into lane (lane, epoch, lease_until, in_hand, paused_until, pause_reason)
    values (:lane, 0, 0, '[]', :until, :reason)
    on conflict (lane) do update set paused_until = excluded.paused_until, pause_reason = excluded.pause_reason
    """
)
PAUSES = Statement("select lane, paused_until, pause_reason from lane where paused_until > {now} order by lane")


def take(session: Session, lane: LaneName, holder: str, lease_s: float, exclusive: bool) -> LaneHold | None:
    """Own the lane, or None when somebody else does."""
    # Look first without locking, so that those who only try don't queue behind the owner.
    seen = session.row(PEEK, lane=lane)
    if seen is None:
        session.run(ENSURE, lane=lane)
    elif seen[0] and seen[1] != holder and not exclusive:
        return None
    live, owner, in_hand = _found(session, lane)
    if live and owner != holder and not exclusive:
        return None
    row = session.row(TAKE, lane=lane, holder=holder, lease_us=_us(lease_s))
    if row is None:
        raise AssertionError(f"lane {lane} vanished while it was locked")
    left = tuple(to_keys(in_hand))
    return LaneHold(lane=lane, epoch=row[0], lease_s=lease_s, took_over=bool(left), in_hand=left)


def _found(session: Session, lane: LaneName) -> tuple[bool, str | None, str]:
    row = session.row(LOCK, lane=lane)
    if row is None:
        raise AssertionError(f"lane {lane} was made just now and isn't there")
    return bool(row[0]), row[1], row[2]


def renew(session: Session, hold: LaneHold, in_hand: Sequence[FlowKey] | None) -> bool:
    """Extend the lease; False when the epoch moved."""
    text = None if in_hand is None else json_text(list(in_hand))
    return session.run(RENEW, lane=hold.lane, epoch=hold.epoch, lease_us=_us(hold.lease_s), in_hand=text) == 1


def release(session: Session, hold: LaneHold) -> None:
    """Give the lane back; nothing happens when the epoch moved."""
    session.run(RELEASE, lane=hold.lane, epoch=hold.epoch)


def guard(session: Session, hold: LaneHold) -> list[FlowKey] | None:
    """Keep the epoch from moving until the end of the transaction; what is in hand, None when it has moved."""
    row = session.row(GUARD, lane=hold.lane, epoch=hold.epoch)
    return None if row is None else to_keys(row[0])


def put_down(session: Session, hold: LaneHold, in_hand: Sequence[FlowKey], decided: Sequence[FlowKey]) -> None:
    """What was settled is no longer in hand."""
    if not in_hand or not decided:
        return
    gone = frozenset(decided)
    left = [key for key in in_hand if key not in gone]
    session.run(SET_IN_HAND, lane=hold.lane, epoch=hold.epoch, in_hand=json_text(left))


def pause(session: Session, lane: LaneName, until: datetime | None, reason: str) -> None:
    """No work in this lane until then; None: go on."""
    session.run(PAUSE, lane=lane, until=to_us_or_none(until), reason=reason if until else None)


def pauses(session: Session) -> Mapping[LaneName, tuple[datetime, str]]:
    """Lanes that are paused now."""
    return {LaneName(row[0]): (from_us(row[1]), row[2] or "") for row in session.rows(PAUSES)}


def _us(lease_s: float) -> int:
    return round(lease_s * 1_000_000)
