"""The tables, as they are after the newest migration. The same on SQLite and PostgreSQL.

This is what statements are written against; ``migrations`` is how a database gets there, and a test compares the two.
Names of things sort byte by byte on both databases, so that "in key order" means the same everywhere. Uniqueness and
legal states are constraints: what must not be cannot be stored.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Table,
    Text,
    text,
)

metadata = MetaData()

Name = Text().with_variant(Text(collation="C"), "postgresql")
"""Names and keys."""
Number = BigInteger().with_variant(Integer(), "sqlite")
"""Numbers that the database gives; SQLite only does so for a column of exactly this type."""
At = BigInteger
"""Microseconds since the epoch, UTC."""

journal_number = Sequence("journal_number", metadata=metadata)
"""PostgreSQL only. SQLite numbers the journal itself (AUTOINCREMENT), and neither ever gives a number twice."""


def _flow_key() -> list[Column[str]]:
    return [Column(name, Name, nullable=False) for name in ("flow", "kind", "key")]


def _only(condition: str) -> dict[str, Any]:
    """An index over these rows alone."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


journal = Table(
    "journal",
    metadata,
    Column("seq", Number, primary_key=True, autoincrement=False),
    Column("connection", Name, nullable=False),
    Column("delivery_id", Name),
    Column("kind", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("cause", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("happened_at", At),
    Column("received_at", At, nullable=False),
    Column("body_hash", Text),
    Index("journal_delivery", "connection", "delivery_id", unique=True, **_only("delivery_id is not null")),
    Index("journal_key", "kind", "key", "seq"),
    Index("journal_webhook", "connection", "seq", **_only("cause = 'webhook'")),
    sqlite_autoincrement=True,
)

mark = Table(
    "mark",
    metadata,
    *_flow_key(),
    Column("lane", Name, nullable=False),
    Column("kind_rank", SmallInteger, nullable=False),
    Column("want", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", At, nullable=False),
    Column("first_at", At, nullable=False),
    Column("noticed_at", At, nullable=False),
    Column("happened_at", At),
    Column("attempts", Integer, nullable=False),
    Column("priority_rank", SmallInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("verify", Boolean, nullable=False),
    Column("run", BigInteger),
    Column("allowed_brake", BigInteger),
    Column("brake", BigInteger),
    Column("reason", Text),
    Column("reason_code", Text),
    Column("content", Text),
    PrimaryKeyConstraint("flow", "kind", "key"),
    CheckConstraint("state in ('dirty', 'parked', 'held')", name="mark_state"),
    CheckConstraint("brake is null or state = 'held'", name="mark_brake"),
    CheckConstraint("attempts >= 0", name="mark_attempts"),
    CheckConstraint("want > 0", name="mark_want"),
    Index("mark_due", "lane", "due_at", **_only("state <> 'held'")),
    Index("mark_turn", "lane", "kind_rank", "priority_rank", "due_at", "flow", "key", **_only("state <> 'held'")),
    Index("mark_parked", "flow", "reason_code", "kind_rank", "key", **_only("state = 'parked'")),
    Index("mark_brake_held", "brake", **_only("brake is not null")),
    sqlite_with_rowid=False,
)

lane = Table(
    "lane",
    metadata,
    Column("lane", Name, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text),
    Column("lease_until", At, nullable=False),
    Column("in_hand", Text, nullable=False),
    Column("paused_until", At),
    Column("pause_reason", Text),
    CheckConstraint("epoch >= 0", name="lane_epoch"),
)

crosswalk = Table(
    "crosswalk",
    metadata,
    *_flow_key(),
    Column("destination_key", Name, nullable=False),
    Column("how", Text, nullable=False),
    Column("sku", Name),
    Column("title", Text, nullable=False),
    Column("linked_at", At, nullable=False),
    Column("source_digest", Text, nullable=False),
    Column("destination_digest", Text, nullable=False),
    Column("seen_run", BigInteger),
    Column("seen_there_run", BigInteger),
    Column("missing_since", At),
    PrimaryKeyConstraint("flow", "kind", "key"),
    # Not in the order of the primary key: PostgreSQL would mistake one for the other.
    Index("crosswalk_destination", "destination_key", "flow", "kind", unique=True),
    sqlite_with_rowid=False,
)

base = Table(
    "base",
    metadata,
    *_flow_key(),
    Column("written_at", At),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("flow", "kind", "key"),
)

history = Table(
    "history",
    metadata,
    Column("id", Number, primary_key=True),
    *_flow_key(),
    Column("destination_key", Name),
    Column("op", Text, nullable=False),
    Column("detail", LargeBinary, nullable=False),
    Column("cause", Text, nullable=False),
    Column("notice", BigInteger),
    Column("run", BigInteger),
    Column("at", At, nullable=False),
    Column("lag_ms", BigInteger),
    Index("history_key", "flow", "kind", "key", "id"),
    Index("history_run", "run", "id", **_only("run is not null")),
    sqlite_autoincrement=True,
)

conflict = Table(
    "conflict",
    metadata,
    Column("id", Number, primary_key=True),
    *_flow_key(),
    Column("path", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("choice", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", At, nullable=False),
    sqlite_autoincrement=True,
)

intent = Table(
    "intent",
    metadata,
    *_flow_key(),
    Column("at", At, nullable=False),
    Column("matches", Text, nullable=False),
    PrimaryKeyConstraint("flow", "kind", "key"),
    sqlite_with_rowid=False,
)

tombstone = Table(
    "tombstone",
    metadata,
    *_flow_key(),
    Column("destination_key", Name),
    Column("at", At, nullable=False),
    PrimaryKeyConstraint("flow", "kind", "key"),
    sqlite_with_rowid=False,
)

guard_op = Table(
    "guard_op",
    metadata,
    Column("flow", Name, nullable=False),
    Column("guard", Name, nullable=False),
    Column("kind", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("at", At, nullable=False),
    PrimaryKeyConstraint("flow", "guard", "kind", "key"),
    Index("guard_op_at", "flow", "guard", "at"),
    sqlite_with_rowid=False,
)

brake = Table(
    "brake",
    metadata,
    Column("id", Number, primary_key=True),
    Column("flow", Name, nullable=False),
    Column("guard", Name, nullable=False),
    Column("opened_at", At, nullable=False),
    Column("message", Text, nullable=False),
    Column("closed_at", At),
    Index("brake_open", "flow", "guard", unique=True, **_only("closed_at is null")),
    sqlite_autoincrement=True,
)

run = Table(
    "run",
    metadata,
    Column("id", Number, primary_key=True),
    Column("flow", Name),
    Column("what", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_at", At, nullable=False),
    Column("ended_at", At),
    Column("cursor", Text),
    Column("counts", Text, nullable=False),
    Column("note", Text, nullable=False),
    CheckConstraint("state in ('running', 'done', 'failed', 'cancelled')", name="run_state"),
    sqlite_autoincrement=True,
)

connection = Table(
    "connection",
    metadata,
    Column("name", Name, primary_key=True),
    Column("fingerprint", Text),
    Column("account", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", At, nullable=False),
    CheckConstraint("state in ('active', 'paused', 'blocked', 'read-only')", name="connection_state"),
)

value = Table(
    "value",
    metadata,
    Column("name", Name, primary_key=True),
    Column("value", Text, nullable=False),
)

content_hash = Table(
    "content_hash",
    metadata,
    Column("connection", Name, nullable=False),
    Column("token", Name, nullable=False),
    Column("hash", Text, nullable=False),
    PrimaryKeyConstraint("connection", "token"),
    sqlite_with_rowid=False,
)
