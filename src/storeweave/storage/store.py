"""The facade: the port ``Store`` on SQLAlchemy. Each method hands one named unit to the executor and no more.

What the units do is in the modules of this package, named for the trade; what may be relied on is said in the port.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

from storeweave.model.errors import ConfigError
from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind, LaneName
from storeweave.model.records import FlowKey
from storeweave.model.state import (
    Acceptance,
    Backlog,
    Base,
    BrakeRow,
    ConflictRow,
    ConnectionRow,
    HistoryRow,
    LaneHold,
    Link,
    Mark,
    MarkState,
    ParkedCause,
    RunRow,
    Settlement,
)
from storeweave.ports.clock import Clock, SystemClock
from storeweave.storage import (
    brakes,
    history,
    journal,
    lanes,
    ledger,
    listings,
    marks,
    migrations,
    operations,
    retention,
    settlement,
)
from storeweave.storage.connections import Database, connect
from storeweave.storage.executor import Executor
from storeweave.storage.session import Session
from storeweave.storage.writer import WriterThread

T = TypeVar("T")
P = ParamSpec("P")
Unit = Callable[Concatenate[Session, P], T]


def open_store(
    url: str,
    *,
    executor: Executor | None = None,
    clock: Clock | None = None,
    exclusive: bool = False,
    schema: str | None = None,
) -> SqlStore:
    """Open the database of this URL, bring its tables up to date, and start.

    ``sqlite:///file.db``, ``sqlite://`` (in memory) or ``postgresql://...``. ``exclusive`` takes the lock of a SQLite
    file for as long as the store is open: for the one process that serves it. ``schema`` is PostgreSQL's.

    Raises ConfigError when another process holds that lock, or the database is newer than this program or
    cannot be opened at all.
    """
    clock = clock or SystemClock()
    database = connect(url, exclusive=exclusive, schema=schema)
    try:
        migrations.upgrade(database.writer, database.schema)
    except BaseException as error:
        database.dispose()
        if isinstance(error, DBAPIError):
            raise ConfigError(f"database: {database.url!r} cannot be opened: {error.orig}") from error
        raise
    return SqlStore(database, executor or WriterThread(), clock)


class SqlStore:
    """Our own state, in SQLite or PostgreSQL."""

    def __init__(self, database: Database, executor: Executor, clock: Clock) -> None:
        self._database = database
        self._executor = executor
        self._clock = clock
        executor.start(database, clock)

    @property
    def exclusive(self) -> bool:
        """No other process can be at work: the proof that ``take_lane(exclusive=True)`` asks for."""
        return self._database.exclusive

    @property
    def rings(self) -> bool:
        """Processes on this database can ring each other: ``listen`` has something to hear."""
        return self._database.dialect == "postgresql"

    async def listen(self, ring: Callable[[LaneName], None]) -> None:
        """Call ``ring`` with each idle lane that any process has marked, until cancelled (``rings`` only)."""
        # Imported here: on SQLite there may be no psycopg.
        from storeweave.storage import wakeups

        await wakeups.listen(self._database, self._clock, ring)

    async def close(self) -> None:
        await self._executor.close()
        self._database.dispose()

    async def _read(self, unit: Unit[P, T], *args: P.args, **named: P.kwargs) -> T:
        return await self._executor.read(_name(unit), lambda session: unit(session, *args, **named))

    async def _write(self, unit: Unit[P, T], *args: P.args, **named: P.kwargs) -> T:
        return await self._executor.write(_name(unit), lambda session: unit(session, *args, **named))

    # Journal, marks, lanes

    async def accept(self, items: Sequence[Acceptance]) -> Sequence[int | None]:
        return await self._executor.write_merged("journal.accept", journal.accept_all, items)

    async def due(self, lane: LaneName, now: datetime, limit: int) -> Sequence[Mark]:
        return await self._read(marks.due, lane, now, limit)

    async def next_due(self, lane: LaneName) -> datetime | None:
        return await self._read(marks.next_due, lane)

    async def lanes_due(self, now: datetime) -> Sequence[LaneName]:
        return await self._read(marks.lanes_due, now)

    async def take_lane(
        self, lane: LaneName, holder: str, lease_s: float, *, exclusive: bool = False
    ) -> LaneHold | None:
        return await self._write(lanes.take, lane, holder, lease_s, exclusive)

    async def renew_lane(self, hold: LaneHold, in_hand: Sequence[FlowKey] | None = None) -> bool:
        return await self._write(lanes.renew, hold, in_hand)

    async def release_lane(self, hold: LaneHold) -> None:
        await self._write(lanes.release, hold)

    async def settle(self, hold: LaneHold, settlement: Settlement) -> bool:
        return await self._write(settle, hold, settlement)

    async def mark_state(
        self, keys: Sequence[FlowKey], state: MarkState, *, due_at: datetime, reason_code: str | None = None
    ) -> int:
        return await self._write(marks.move, keys, state, due_at, reason_code)

    async def marks(
        self,
        *,
        flow: FlowName | None = None,
        state: MarkState | None = None,
        reason_code: str | None = None,
        key: FlowKey | None = None,
        limit: int = 100,
        after: FlowKey | None = None,
    ) -> Sequence[Mark]:
        return await self._read(marks.listed, flow, state, reason_code, key, limit, after)

    async def retry_parked(self, *, flow: FlowName | None, reason_code: str | None, now: datetime) -> int:
        return await self._write(marks.retry_parked, flow, reason_code, now)

    async def backlog(self, now: datetime) -> Sequence[Backlog]:
        return await self._read(marks.backlog, now)

    async def parked_causes(self) -> Sequence[ParkedCause]:
        return await self._read(marks.parked_causes)

    async def last_notice_at(self, connection: ConnectionName) -> datetime | None:
        return await self._read(journal.last_webhook_at, connection)

    async def journal_tail(
        self, *, key: FlowKey | None = None, number: int | None = None, limit: int = 50
    ) -> Sequence[Mapping[str, object]]:
        return await self._read(journal.tail, key, number, limit)

    # Bases, crosswalk, history

    async def bases(self, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> Mapping[Key, tuple[Link, Base]]:
        return await self._read(ledger.bases, flow, kind, keys)

    async def links(self, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> Mapping[Key, Key]:
        return await self._read(ledger.links, flow, kind, keys)

    async def links_back(self, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> Mapping[Key, Key]:
        return await self._read(ledger.links_back, flow, kind, keys)

    async def link_rows(
        self, flow: FlowName, kind: Kind, *, after: Key | None = None, limit: int = 100, text: str | None = None
    ) -> Sequence[Link]:
        return await self._read(ledger.link_rows, flow, kind, after, limit, text)

    async def linked_count(self, flow: FlowName, kind: Kind) -> int:
        return await self._read(ledger.linked_count, flow, kind)

    async def put_bases(self, settlement: Settlement) -> None:
        await self._write(put, settlement)

    async def open_intents(self, items: Mapping[FlowKey, Sequence[str]], at: datetime) -> None:
        await self._write(ledger.open_intents, items, at)

    async def intents(self, keys: Sequence[FlowKey]) -> Mapping[FlowKey, tuple[datetime, tuple[str, ...]]]:
        return await self._read(ledger.intents, keys)

    async def open_intents_since(self, flow: FlowName, kind: Kind, before: datetime) -> Sequence[Key]:
        return await self._read(ledger.old_intents, flow, kind, before)

    async def is_tombstone(self, keys: Sequence[FlowKey]) -> Sequence[FlowKey]:
        return await self._read(ledger.tombstones, keys)

    async def digests(self, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> Mapping[Key, bytes]:
        return await self._read(listings.digests, flow, kind, keys)

    async def destination_digests(
        self, flow: FlowName, kind: Kind, keys: Sequence[Key]
    ) -> Mapping[Key, tuple[Key, bytes]]:
        return await self._read(listings.destination_digests, flow, kind, keys)

    async def seen(self, flow: FlowName, kind: Kind, keys: Sequence[Key], run: int, *, there: bool = False) -> None:
        await self._write(listings.seen, flow, kind, keys, run, there)

    async def unseen(
        self,
        flow: FlowName,
        kind: Kind,
        run: int,
        *,
        after: Key | None = None,
        limit: int = 1000,
        there: bool = False,
    ) -> Sequence[Key]:
        return await self._read(listings.unseen, flow, kind, run, after, limit, there)

    async def missing_once(
        self, flow: FlowName, kind: Kind, keys: Sequence[Key], at: datetime
    ) -> Mapping[Key, datetime]:
        return await self._write(listings.missing_once, flow, kind, keys, at)

    async def history(
        self,
        *,
        flow: FlowName | None = None,
        key: FlowKey | None = None,
        run: int | None = None,
        since: datetime | None = None,
        ops: Sequence[str] | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[HistoryRow]:
        return await self._read(history.listed, flow, key, run, since, ops, before, limit)

    async def recent_writes(self, keys: Sequence[FlowKey], since: datetime) -> Mapping[FlowKey, Sequence[HistoryRow]]:
        return await self._read(history.recent_writes, keys, since)

    async def count_ops(self, flow: FlowName, guard: str, since: datetime) -> int:
        return await self._read(history.count_ops, flow, guard, since)

    async def note_ops(self, flow: FlowName, guard: str, keys: Sequence[FlowKey], at: datetime) -> None:
        await self._write(history.note_ops, flow, guard, keys, at)

    async def conflicts(self, *, flow: FlowName | None = None, limit: int = 100) -> Sequence[ConflictRow]:
        return await self._read(history.conflicts, flow, limit)

    async def find_keys(self, flow: FlowName | None, text: str) -> Sequence[Link]:
        return await self._read(ledger.find_keys, flow, text)

    async def content_hashes(self, connection: ConnectionName, tokens: Sequence[str]) -> Mapping[str, str]:
        return await self._read(operations.content_hashes, connection, tokens)

    async def put_content_hashes(self, connection: ConnectionName, hashes: Mapping[str, str]) -> None:
        await self._write(operations.put_content_hashes, connection, hashes)

    # Brakes, runs, connections, values, retention

    async def open_brake(self, flow: FlowName, guard: str, message: str, at: datetime) -> int:
        return await self._write(brakes.open_brake, flow, guard, message, at)

    async def brakes(self) -> Sequence[BrakeRow]:
        return await self._read(brakes.listed)

    async def release_brake(self, brake: int, *, count: int, list_hash: str, now: datetime) -> int:
        return await self._write(brakes.release, brake, count, list_hash, now)

    async def drop_brake(self, brake: int) -> int:
        return await self._write(brakes.drop, brake)

    async def start_run(self, flow: FlowName | None, what: str, at: datetime, note: str = "") -> int:
        return await self._write(operations.start_run, flow, what, at, note)

    async def save_run(
        self,
        run: int,
        *,
        cursor: str | None = None,
        counts: Mapping[str, int] | None = None,
        state: str | None = None,
        ended_at: datetime | None = None,
        note: str | None = None,
    ) -> None:
        await self._write(operations.save_run, run, cursor, counts, state, ended_at, note)

    async def runs(
        self, *, flow: FlowName | None = None, state: str | None = None, limit: int = 50
    ) -> Sequence[RunRow]:
        return await self._read(operations.runs, flow, state, limit)

    async def run(self, run: int) -> RunRow | None:
        return await self._read(operations.one_run, run)

    async def connection(self, name: ConnectionName) -> ConnectionRow | None:
        return await self._read(operations.connection, name)

    async def put_connection(self, row: ConnectionRow) -> None:
        await self._write(operations.put_connection, row)

    async def pause_lane(self, lane: LaneName, until: datetime | None, reason: str) -> None:
        await self._write(lanes.pause, lane, until, reason)

    async def lane_pauses(self) -> Mapping[LaneName, tuple[datetime, str]]:
        return await self._read(lanes.pauses)

    async def get_value(self, name: str) -> str | None:
        return await self._read(operations.value, name)

    async def put_value(self, name: str, value: str) -> None:
        await self._write(operations.put_value, name, value)

    async def keep_value(self, name: str, value: str) -> str:
        return await self._write(operations.keep_value, name, value)

    async def purge(
        self, *, journal_before: datetime, history_before: datetime, tombstones_before: datetime, batch: int = 1000
    ) -> Mapping[str, int]:
        removed = {
            "journal": await self._purge(retention.notices, journal_before, batch),
            "history": await self._purge(retention.lines, history_before, batch),
            "conflict": await self._purge(retention.conflicts, history_before, batch),
            "tombstone": await self._purge(retention.tombstones, tombstones_before, batch),
            "guard_op": await self._purge(retention.guard_ops, journal_before, batch),
        }
        await self._executor.outside(Database.truncate_log)
        return removed

    async def compact(self) -> None:
        """Rewrite the database without any trace of what was purged: for a rare, quiet hour. Others wait meanwhile."""
        await self._executor.outside(Database.compact)

    async def _purge(self, step: retention.Step, before: datetime, batch: int) -> int:
        """Short transactions one after the other, so that others get their turn between them."""
        total, after = 0, 0
        while True:
            gone, next_after = await self._write(step, before, after, batch)
            total += gone
            if next_after is None:
                return total
            after = next_after


def _name(unit: Callable[..., Any]) -> str:
    """What hooks and messages call a unit: ``settlement.settle``."""
    return f"{unit.__module__.rpartition('.')[2]}.{unit.__name__}"


settle = settlement.settle
put = settlement.store
