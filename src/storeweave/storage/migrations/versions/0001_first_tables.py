"""The first tables. Written out, so that later changes of ``schema.py`` leave this step as it is."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
create table journal (
    seq {seq}, connection {name} not null, delivery_id {name}, kind {name} not null, key {name} not null,
    cause text not null, event text not null, topic text not null, happened_at bigint, received_at bigint not null,
    body_hash text);
create unique index journal_delivery on journal (connection, delivery_id) where delivery_id is not null;
create index journal_key on journal (kind, key, seq);
create index journal_webhook on journal (connection, seq) where cause = 'webhook';

create table mark (
    flow {name} not null, kind {name} not null, key {name} not null, lane {name} not null, kind_rank smallint not null,
    want bigint not null, state text not null, due_at bigint not null, first_at bigint not null,
    noticed_at bigint not null, happened_at bigint, attempts integer not null, priority_rank smallint not null,
    cause text not null, deleted boolean not null, verify boolean not null, run bigint,
    allowed_brake bigint, brake bigint, reason text, reason_code text, content text,
    primary key (flow, kind, key),
    constraint mark_state check (state in ('dirty', 'parked', 'held')),
    constraint mark_brake check (brake is null or state = 'held'),
    constraint mark_attempts check (attempts >= 0),
    constraint mark_want check (want > 0)) {clustered};
create index mark_due on mark (lane, due_at) where state <> 'held';
create index mark_turn on mark (lane, kind_rank, priority_rank, due_at, flow, key) where state <> 'held';
create index mark_parked on mark (flow, reason_code, kind_rank, key) where state = 'parked';
create index mark_brake_held on mark (brake) where brake is not null;

create table lane (
    lane {name} not null primary key, epoch bigint not null, holder text, lease_until bigint not null,
    in_hand text not null, paused_until bigint, pause_reason text,
    constraint lane_epoch check (epoch >= 0));

create table crosswalk (
    flow {name} not null, kind {name} not null, key {name} not null, destination_key {name} not null,
    how text not null, sku {name}, title text not null, linked_at bigint not null,
    source_digest text not null, destination_digest text not null, seen_run bigint, missing_since bigint,
    primary key (flow, kind, key)) {clustered};
create unique index crosswalk_destination on crosswalk (destination_key, flow, kind);

create table base (
    flow {name} not null, kind {name} not null, key {name} not null, written_at bigint, body {bytes} not null,
    primary key (flow, kind, key));

create table history (
    id {id}, flow {name} not null, kind {name} not null, key {name} not null, destination_key {name},
    op text not null, detail {bytes} not null, cause text not null, notice bigint, run bigint, at bigint not null,
    lag_ms bigint);
create index history_key on history (flow, kind, key, id);
create index history_run on history (run, id) where run is not null;

create table conflict (
    id {id}, flow {name} not null, kind {name} not null, key {name} not null, path text not null,
    base text not null, source text not null, destination text not null, choice text not null, actor text not null,
    at bigint not null);

create table intent (
    flow {name} not null, kind {name} not null, key {name} not null, at bigint not null, matches text not null,
    primary key (flow, kind, key)) {clustered};

create table tombstone (
    flow {name} not null, kind {name} not null, key {name} not null, destination_key {name}, at bigint not null,
    primary key (flow, kind, key)) {clustered};

create table guard_op (
    flow {name} not null, guard {name} not null, kind {name} not null, key {name} not null, at bigint not null,
    primary key (flow, guard, kind, key)) {clustered};
create index guard_op_at on guard_op (flow, guard, at);

create table brake (
    id {id}, flow {name} not null, guard {name} not null, opened_at bigint not null, message text not null,
    closed_at bigint);
create unique index brake_open on brake (flow, guard) where closed_at is null;

create table run (
    id {id}, flow {name}, what text not null, state text not null, started_at bigint not null, ended_at bigint,
    cursor text, counts text not null, note text not null,
    constraint run_state check (state in ('running', 'done', 'failed', 'cancelled')));

create table connection (
    name {name} not null primary key, fingerprint text, account text not null, state text not null,
    reason text not null, changed_at bigint not null,
    constraint connection_state check (state in ('active', 'paused', 'blocked', 'read-only')));

create table value (name {name} not null primary key, value text not null);

create table content_hash (
    connection {name} not null, token {name} not null, hash text not null,
    primary key (connection, token)) {clustered};
"""

# Small tables whose rows live for seconds: vacuumed early and at full speed, with room for updates in place.
HOT = """
create sequence journal_number;
alter table mark set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
alter table lane set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200,
    autovacuum_vacuum_cost_delay = 0);
alter table crosswalk set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
"""

WORDS = {
    "sqlite": {
        "id": "integer not null primary key autoincrement",
        "seq": "integer not null primary key autoincrement",
        "name": "text",
        "bytes": "blob",
        "clustered": "without rowid",
    },
    "postgresql": {
        "id": "bigserial primary key",
        "seq": "bigint primary key",
        "name": 'text collate "C"',
        "bytes": "bytea",
        "clustered": "",
    },
}


def upgrade() -> None:
    """Make them."""
    dialect = op.get_context().dialect.name
    script = TABLES + (HOT if dialect == "postgresql" else "")
    for word, meaning in WORDS[dialect].items():
        script = script.replace("{" + word + "}", meaning)
    for statement in script.split(";"):
        if statement.strip():
            op.execute(statement)
