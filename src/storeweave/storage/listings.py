"""What full passes ask of the crosswalk: digests to compare, which keys a listing showed, which it lacked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from storeweave.model.kinds import FlowName, Key, Kind
from storeweave.storage.rows import from_us, to_us
from storeweave.storage.session import Session
from storeweave.storage.statements import Statement

DIGESTS = Statement(
    "select key, source_digest from crosswalk "
    "where (flow, kind, key) in (select :flow, :kind, key from {rows} {fence})",
    rows="key text",
)
DESTINATION_DIGESTS = Statement(
    # Left alone, SQLite walks the whole crosswalk in key order.
    """
    select destination_key, key, destination_digest from crosswalk {by_destination}
    where (flow, kind, destination_key) in (select :flow, :kind, key from {rows} {fence})
    """,
    rows="key text",
    sqlite={"by_destination": "indexed by crosswalk_destination"},
    postgresql={"by_destination": ""},
)
LOCK_LINKS = Statement(
    "select 1 from crosswalk where (flow, kind, key) in (select :flow, :kind, key from {rows} {fence}) "
    "order by key {for_update}",
    rows="key text",
)
SEEN = Statement(
    """
    update crosswalk set seen_run = :run, missing_since = null
    where (flow, kind, key) in (select :flow, :kind, key from {rows} {fence})
        and (coalesce(seen_run, 0) <> :run or missing_since is not null)
    """,
    rows="key text",
)
SEEN_THERE = Statement(
    # Apart from the other: a record that the destination still shows may be missing at the source all the same.
    """
    update crosswalk set seen_there_run = :run
    where (flow, kind, key) in (select :flow, :kind, key from {rows} {fence}) and coalesce(seen_there_run, 0) <> :run
    """,
    rows="key text",
)
_UNSEEN = """
    select key from crosswalk
    where flow = :flow and kind = :kind and key > :after
        and coalesce({column}, 0) <> :run
        and not exists (select 1 from run where run.id = :run and run.started_at <= crosswalk.linked_at)
    order by key limit :limit
    """
UNSEEN = Statement(_UNSEEN.replace("{column}", "seen_run"))
UNSEEN_THERE = Statement(_UNSEEN.replace("{column}", "seen_there_run"))
MISSING = Statement(
    """
    update crosswalk set missing_since = :at
    where (flow, kind, key) in (select :flow, :kind, key from {rows} {fence}) and missing_since is null
    """,
    rows="key text",
)
MISSING_SINCE = Statement(
    """
    select key, missing_since from crosswalk
    where (flow, kind, key) in (select :flow, :kind, key from {rows} {fence}) and missing_since is not null
    """,
    rows="key text",
)


def digests(session: Session, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> dict[Key, bytes]:
    """Digest of the source's record at the time of the base."""
    rows = session.rows(DIGESTS, _keys(keys), flow=flow, kind=kind.value)
    return {Key(key): bytes.fromhex(digest) for key, digest in rows}


def destination_digests(
    session: Session, flow: FlowName, kind: Kind, keys: Sequence[Key]
) -> dict[Key, tuple[Key, bytes]]:
    """By destination key: the source key and the digest of the destination's record."""
    rows = session.rows(DESTINATION_DIGESTS, _keys(keys), flow=flow, kind=kind.value)
    return {Key(theirs): (Key(ours), bytes.fromhex(digest)) for theirs, ours, digest in rows}


def seen(session: Session, flow: FlowName, kind: Kind, keys: Sequence[Key], run: int, there: bool) -> None:
    """These keys were in the source's listing of that run, or their records in the destination's."""
    _lock(session, flow, kind, keys)
    session.run(SEEN_THERE if there else SEEN, _keys(keys), flow=flow, kind=kind.value, run=run)


def unseen(
    session: Session, flow: FlowName, kind: Kind, run: int, after: Key | None, limit: int, there: bool
) -> list[Key]:
    """Linked keys that were not; those linked since the run started had no chance to be, and are left out."""
    rows = session.rows(
        UNSEEN_THERE if there else UNSEEN, flow=flow, kind=kind.value, run=run, after=after or "", limit=limit
    )
    return [Key(key) for (key,) in rows]


def missing_once(
    session: Session, flow: FlowName, kind: Kind, keys: Sequence[Key], at: datetime
) -> dict[Key, datetime]:
    """Remember that a listing lacked these; since when they are lacking."""
    _lock(session, flow, kind, keys)
    session.run(MISSING, _keys(keys), flow=flow, kind=kind.value, at=to_us(at))
    rows = session.rows(MISSING_SINCE, _keys(keys), flow=flow, kind=kind.value)
    return {Key(key): from_us(since) for key, since in rows}


def _lock(session: Session, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> None:
    if session.dialect == "postgresql":
        session.rows(LOCK_LINKS, _keys(keys), flow=flow, kind=kind.value)


def _keys(keys: Sequence[Key]) -> list[tuple[str]]:
    return [(key,) for key in sorted(set(keys))]
