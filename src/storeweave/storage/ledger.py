"""Bases, crosswalk, intents and tombstones: what both sides agreed on, and which id here is which id there.

The narrow things that a full pass compares (keys, digests, when last seen) are rows of ``crosswalk``; the wide ones are
rows of ``base``, so that a pass over a hundred thousand keys reads little. There is never a base without its crosswalk
row. History and conflicts are ``history.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from storeweave.model.errors import RefusedError
from storeweave.model.kinds import FlowName, Key, Kind
from storeweave.model.records import FlowKey
from storeweave.model.state import Base, BaseUpdate, Link, Settlement
from storeweave.storage import history
from storeweave.storage.rows import (
    LINK_COLUMNS,
    base_body,
    clean,
    clean_or_none,
    from_us,
    json_text,
    key_columns,
    key_rows,
    to_base,
    to_key,
    to_link,
    to_texts,
    to_us,
    to_us_or_none,
)
from storeweave.storage.session import Session
from storeweave.storage.statements import Conditions, Statement

_FLOW_KEY = "flow text, kind text, key text"

TAKEN = Statement(
    """
    select c.flow, c.kind, c.destination_key, c.key, r.key from {rows} join crosswalk c
        on c.flow = r.flow and c.kind = r.kind and c.destination_key = r.destination_key
    where c.key <> r.key
    """,
    rows="flow text, kind text, key text, destination_key text",
)
UPSERT_LINKS = Statement(
    """
    insert into crosswalk
        (flow, kind, key, destination_key, how, sku, title, linked_at, source_digest, destination_digest)
    select flow, kind, key, destination_key, how, sku, title, linked_at, source_digest, destination_digest
    from {rows} where true
    on conflict (flow, kind, key) do update set
        destination_key = excluded.destination_key, how = excluded.how, sku = excluded.sku, title = excluded.title,
        linked_at = excluded.linked_at, source_digest = excluded.source_digest,
        destination_digest = excluded.destination_digest
    """,
    rows="flow text, kind text, key text, destination_key text, how text, sku text, title text, linked_at bigint, "
    "source_digest text, destination_digest text",
)
UPDATE_DIGESTS = Statement(
    """
    update crosswalk set source_digest = r.source_digest, destination_digest = r.destination_digest
    from {rows} where crosswalk.flow = r.flow and crosswalk.kind = r.kind and crosswalk.key = r.key
    """,
    rows="flow text, kind text, key text, source_digest text, destination_digest text",
)
UPSERT_BASES = Statement(
    """
    insert into base (flow, kind, key, written_at, body)
    select r.flow, r.kind, r.key, r.written_at, r.body
    from {rows} join crosswalk c on c.flow = r.flow and c.kind = r.kind and c.key = r.key
    where true
    on conflict (flow, kind, key) do update set written_at = excluded.written_at, body = excluded.body
    """,
    rows="flow text, kind text, key text, written_at bigint, body bytea",
)
DELETE_LINKS = Statement(
    "delete from crosswalk where (flow, kind, key) in (select flow, kind, key from {rows})", rows=_FLOW_KEY
)
DELETE_BASES = Statement(
    "delete from base where (flow, kind, key) in (select flow, kind, key from {rows})", rows=_FLOW_KEY
)
BASES = Statement(
    """
    select c.flow, c.kind, c.key, c.destination_key, c.how, c.sku, c.title, c.linked_at,
        b.body, c.source_digest, c.destination_digest, b.written_at
    from crosswalk c join base b on b.flow = c.flow and b.kind = c.kind and b.key = c.key
    where (c.flow, c.kind, c.key) in (select :flow, :kind, key from {rows} {fence})
    """,
    rows="key text",
)
LINKS = Statement(
    "select key, destination_key from crosswalk "
    "where (flow, kind, key) in (select :flow, :kind, key from {rows} {fence})",
    rows="key text",
)
LINKS_BACK = Statement(
    "select destination_key, key from crosswalk "
    "where (flow, kind, destination_key) in (select :flow, :kind, key from {rows} {fence})",
    rows="key text",
)
LINK_ROWS = f"select {LINK_COLUMNS} from crosswalk where {{where}} order by key limit :limit"
LINKED_COUNT = Statement("select count(*) from crosswalk where flow = :flow and kind = :kind")
FIND_EXACT = f"""
    select {LINK_COLUMNS} from crosswalk where (key = :text or destination_key = :text or sku = :text) and {{where}}
    order by flow, kind, key limit 100
"""
FIND_TITLE = f"""
    select {LINK_COLUMNS} from crosswalk where substr(lower(title), 1, :length) = :text and {{where}}
    order by title, flow, kind, key limit 100
"""
UPSERT_INTENTS = Statement(
    "insert into intent (flow, kind, key, at, matches) select flow, kind, key, :at, matches from {rows} where true "
    "on conflict (flow, kind, key) do update set at = excluded.at, matches = excluded.matches",
    rows=_FLOW_KEY + ", matches text",
)
DELETE_INTENTS = Statement(
    "delete from intent where (flow, kind, key) in (select flow, kind, key from {rows})", rows=_FLOW_KEY
)
INTENTS = Statement(
    """
    select t.flow, t.kind, t.key, t.at, t.matches from {rows}
    join intent t on t.flow = r.flow and t.kind = r.kind and t.key = r.key order by t.flow, t.kind, t.key
    """,
    rows=_FLOW_KEY,
)
OLD_INTENTS = Statement(
    "select key from intent where flow = :flow and kind = :kind and at < :before order by key limit 1000"
)
UPSERT_TOMBSTONES = Statement(
    "insert into tombstone (flow, kind, key, destination_key, at) "
    "select flow, kind, key, destination_key, :at from {rows} where true "
    "on conflict (flow, kind, key) do update set destination_key = excluded.destination_key, at = excluded.at",
    rows=_FLOW_KEY + ", destination_key text",
)
DELETE_TOMBSTONES = Statement(
    "delete from tombstone where (flow, kind, key) in (select flow, kind, key from {rows})", rows=_FLOW_KEY
)
TOMBSTONES = Statement(
    "select t.flow, t.kind, t.key from {rows} join tombstone t "
    "on t.flow = r.flow and t.kind = r.kind and t.key = r.key order by t.flow, t.kind, t.key",
    rows=_FLOW_KEY,
)


def store(session: Session, settlement: Settlement) -> None:
    """Everything of a settlement but its marks."""
    gone = key_rows(settlement.unlinked)
    session.run(DELETE_BASES, gone)
    session.run(DELETE_LINKS, gone)
    _put_bases(session, settlement.bases)
    tombstones = {key_columns(key): there for key, there in settlement.tombstones}
    session.run(UPSERT_TOMBSTONES, [(*key, tombstones[key]) for key in sorted(tombstones)], at=session.now_us)
    session.run(DELETE_INTENTS, key_rows(settlement.intents_done))
    history.add(session, settlement.history, settlement.conflicts)


def _put_bases(session: Session, updates: Sequence[BaseUpdate]) -> None:
    newest = {update.key: update for update in updates}
    ordered = [newest[key] for key in sorted(newest)]
    links = [(update.link, update.base) for update in ordered if update.link is not None]
    _refuse_double_links(session, [link for link, _ in links])
    session.run(UPSERT_LINKS, [_link_row(link, base) for link, base in links])
    # Whoever links a key again has seen it alive.
    session.run(DELETE_TOMBSTONES, [key_columns(link.key) for link, _ in links])
    session.run(
        UPDATE_DIGESTS,
        [
            (*key_columns(update.key), update.base.source_digest.hex(), update.base.destination_digest.hex())
            for update in ordered
            if update.link is None
        ],
    )
    # A key that was unlinked while it was worked has no crosswalk row any more, and gets no base.
    session.run(
        UPSERT_BASES,
        [
            (*key_columns(update.key), to_us_or_none(update.base.written_at), base_body(update.base))
            for update in ordered
        ],
    )


def _link_row(link: Link, base: Base) -> tuple[object, ...]:
    return (
        *key_columns(link.key),
        link.destination_key,
        link.how,
        clean_or_none(link.sku),
        clean(link.title),
        to_us(link.linked_at),
        base.source_digest.hex(),
        base.destination_digest.hex(),
    )


def _refuse_double_links(session: Session, links: Sequence[Link]) -> None:
    rows = [(*key_columns(link.key), link.destination_key) for link in links]
    for flow, kind, destination_key, owner, key in session.rows(TAKEN, rows):
        raise RefusedError(
            f"{flow}: {kind} {key} cannot be linked to {destination_key}, which is linked to {owner}; "
            "unlink that one first",
            code="linked-twice",
        )


def bases(session: Session, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> dict[Key, tuple[Link, Base]]:
    """What was agreed, for those keys that are linked."""
    rows = session.rows(BASES, _keys(keys), flow=flow, kind=kind.value)
    return {Key(row[2]): (to_link(row), to_base(kind, row[8], row[9], row[10], row[11])) for row in rows}


def links(session: Session, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> dict[Key, Key]:
    """Source key -> destination key."""
    return dict(session.rows(LINKS, _keys(keys), flow=flow, kind=kind.value))


def links_back(session: Session, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> dict[Key, Key]:
    """Destination key -> source key."""
    return dict(session.rows(LINKS_BACK, _keys(keys), flow=flow, kind=kind.value))


def link_rows(
    session: Session, flow: FlowName, kind: Kind, after: Key | None, limit: int, text: str | None
) -> list[Link]:
    """Crosswalk rows for people, in key order."""
    asked = Conditions(limit=limit)
    asked.add("flow = :flow and kind = :kind", flow=flow, kind=kind.value)
    asked.add("key > :after", after=after)
    asked.add(
        "({contains}(lower(key), :text) > 0 or {contains}(lower(coalesce(sku, '')), :text) > 0 "
        "or {contains}(lower(title), :text) > 0)",
        text=text.lower() if text else None,
    )
    return [to_link(row) for row in session.rows(asked.statement(LINK_ROWS), **asked.parameters)]


def linked_count(session: Session, flow: FlowName, kind: Kind) -> int:
    """How many keys of a kind are linked."""
    row = session.row(LINKED_COUNT, flow=flow, kind=kind.value)
    return row[0] if row else 0


def find_keys(session: Session, flow: FlowName | None, text: str) -> list[Link]:
    """Links by exact key, destination key or SKU, then by how their title starts."""
    asked = Conditions(text=text)
    asked.add("flow = :flow", flow=flow)
    exact = [to_link(row) for row in session.rows(asked.statement(FIND_EXACT), **asked.parameters)]
    by_title = {**asked.parameters, "text": text.lower(), "length": len(text.lower())}
    known = {link.key for link in exact}
    titled = [to_link(row) for row in session.rows(asked.statement(FIND_TITLE), **by_title)] if text else []
    return exact + [link for link in titled if link.key not in known]


def open_intents(session: Session, items: Mapping[FlowKey, Sequence[str]], at: datetime) -> None:
    """Remember that we are about to create these, under these natural identities."""
    rows = [(*key_columns(key), json_text(list(items[key]))) for key in sorted(items)]
    session.run(UPSERT_INTENTS, rows, at=to_us(at))


def intents(session: Session, keys: Sequence[FlowKey]) -> dict[FlowKey, tuple[datetime, tuple[str, ...]]]:
    """Those that we may have created already: since when, and under which natural identities."""
    return {to_key(*row[:3]): (from_us(row[3]), to_texts(row[4])) for row in session.rows(INTENTS, key_rows(keys))}


def old_intents(session: Session, flow: FlowName, kind: Kind, before: datetime) -> list[Key]:
    """Keys of intents that are open for long."""
    return [Key(key) for (key,) in session.rows(OLD_INTENTS, flow=flow, kind=kind.value, before=to_us(before))]


def tombstones(session: Session, keys: Sequence[FlowKey]) -> list[FlowKey]:
    """Those that were believed deleted."""
    return [to_key(*row) for row in session.rows(TOMBSTONES, key_rows(keys))]


def _keys(keys: Sequence[Key]) -> list[tuple[str]]:
    return [(key,) for key in sorted(set(keys))]
