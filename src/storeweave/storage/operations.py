"""Runs, connections, named values and content hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from storeweave.model.kinds import ConnectionName, FlowName
from storeweave.model.state import ConnectionRow, RunRow
from storeweave.storage.rows import (
    RUN_COLUMNS,
    clean,
    clean_or_none,
    json_text,
    to_connection,
    to_counts,
    to_run,
    to_us,
    to_us_or_none,
)
from storeweave.storage.session import Session
from storeweave.storage.statements import Conditions, Statement

START_RUN = Statement(
    """
    insert into run (flow, what, state, started_at, counts, note)
    values (:flow, :what, 'running', :at, '{}', :note) returning id
    """
)
LOCK_RUN = Statement("select counts from run where id = :run {for_update}")
SAVE_RUN = Statement(
    """
    update run set cursor = coalesce(:cursor, cursor), counts = :counts, state = coalesce(:state, state),
        ended_at = coalesce(:ended_at, ended_at), note = coalesce(:note, note)
    where id = :run
    """
)
RUNS = f"select {RUN_COLUMNS} from run where {{where}} order by id desc limit :limit"
ONE_RUN = Statement(f"select {RUN_COLUMNS} from run where id = :run")
CONNECTION = Statement(
    "select name, fingerprint, account, state, reason, changed_at from connection where name = :name"
)
PUT_CONNECTION = Statement(
    """
    insert into connection (name, fingerprint, account, state, reason, changed_at)
    values (:name, :fingerprint, :account, :state, :reason, :changed_at)
    on conflict (name) do update set fingerprint = excluded.fingerprint, account = excluded.account,
        state = excluded.state, reason = excluded.reason, changed_at = excluded.changed_at
    """
)
VALUE = Statement("select value from value where name = :name")
PUT_VALUE = Statement(
    "insert into value (name, value) values (:name, :value) on conflict (name) do update set value = excluded.value"
)
KEEP_VALUE = Statement("insert into value (name, value) values (:name, :value) on conflict (name) do nothing")
HASHES = Statement(
    "select token, hash from content_hash where (connection, token) in (select :connection, token from {rows} {fence})",
    rows="token text",
)
PUT_HASHES = Statement(
    """
    insert into content_hash (connection, token, hash) select :connection, token, hash from {rows} where true
    on conflict (connection, token) do update set hash = excluded.hash
    """,
    rows="token text, hash text",
)


def start_run(session: Session, flow: FlowName | None, what: str, at: datetime, note: str) -> int:
    """A new run."""
    row = session.row(START_RUN, flow=flow, what=what, at=to_us(at), note=clean(note))
    if row is None:
        raise AssertionError("a new run has a number")
    return int(row[0])


def save_run(
    session: Session,
    run: int,
    cursor: str | None,
    counts: Mapping[str, int] | None,
    state: str | None,
    ended_at: datetime | None,
    note: str | None,
) -> None:
    """Progress of a run; counts are added up."""
    row = session.row(LOCK_RUN, run=run)
    if row is None:
        raise KeyError(f"there is no run {run}")
    total = to_counts(row[0])
    for name, more in (counts or {}).items():
        total[name] = total.get(name, 0) + more
    session.run(
        SAVE_RUN,
        run=run,
        cursor=cursor,
        counts=json_text(total),
        state=state,
        ended_at=to_us_or_none(ended_at),
        note=clean_or_none(note),
    )


def runs(session: Session, flow: FlowName | None, state: str | None, limit: int) -> list[RunRow]:
    """Runs, newest first."""
    asked = Conditions(limit=limit)
    asked.add("flow = :flow", flow=flow)
    asked.add("state = :state", state=state)
    return [to_run(row) for row in session.rows(asked.statement(RUNS), **asked.parameters)]


def one_run(session: Session, run: int) -> RunRow | None:
    """One run."""
    row = session.row(ONE_RUN, run=run)
    return None if row is None else to_run(row)


def connection(session: Session, name: ConnectionName) -> ConnectionRow | None:
    """What we remember of a connection."""
    row = session.row(CONNECTION, name=name)
    return None if row is None else to_connection(row)


def put_connection(session: Session, row: ConnectionRow) -> None:
    """Store it."""
    session.run(
        PUT_CONNECTION,
        name=row.name,
        fingerprint=row.fingerprint,
        account=clean(row.account),
        state=row.state,
        reason=clean(row.reason),
        changed_at=to_us(row.changed_at),
    )


def value(session: Session, name: str) -> str | None:
    """A small named value."""
    row = session.row(VALUE, name=name)
    return None if row is None else str(row[0])


def put_value(session: Session, name: str, text: str) -> None:
    """Store it."""
    session.run(PUT_VALUE, name=name, value=text)


def keep_value(session: Session, name: str, text: str) -> str:
    """Store it unless there is one already; the value that holds."""
    session.run(KEEP_VALUE, name=name, value=text)
    return value(session, name) or text


def content_hashes(session: Session, connection_name: ConnectionName, tokens: Sequence[str]) -> dict[str, str]:
    """Known hashes by token."""
    rows = [(token,) for token in sorted(set(tokens))]
    return dict(session.rows(HASHES, rows, connection=connection_name))


def put_content_hashes(session: Session, connection_name: ConnectionName, hashes: Mapping[str, str]) -> None:
    """Remember them."""
    session.run(PUT_HASHES, sorted(hashes.items()), connection=connection_name)
