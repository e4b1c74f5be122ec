"""Our connections to the database: one that writes, a few that read, set up for durability.

SQLite: write-ahead log, every commit synced, deleted bytes overwritten, one writing connection. A lock file beside the
database proves that no other process serves it; programs that only look, or write a little, open without that lock.
PostgreSQL: psycopg 3, everything in one schema, readers without transactions of their own.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool, StaticPool

from storeweave.model.errors import ConfigError, TransientError
from storeweave.storage.statements import DialectName

OLDEST_SQLITE = (3, 35, 0)
"""The first with ``returning``."""
READERS = 3
BUSY_MS = 30_000
"""How long a SQLite connection waits for another process' transaction."""
SCHEMA = "storeweave"
_PLAIN_NAME = re.compile("[a-z_][a-z0-9_]{0,62}")


class Database:
    """The engines for one URL, and the lock if we hold it."""

    def __init__(
        self,
        *,
        url: URL,
        dialect: DialectName,
        writer: Engine,
        reader: Engine | None,
        lock: FileLock | None = None,
        schema: str | None = None,
    ) -> None:
        self.url = url
        self.schema = schema
        self.dialect = dialect
        self.writer = writer
        self.reader = reader  # None: everything goes over the writing connection
        self._lock = lock

    @property
    def exclusive(self) -> bool:
        """Nobody else can be at work on this database: we hold its lock, or it lives in our memory."""
        return self._lock is not None or (self.dialect == "sqlite" and self.reader is None)

    def truncate_log(self) -> None:
        """Empty SQLite's write-ahead log, which still holds pages as they were before a purge.

        Left to the process that serves this database, if that is another one: only one may checkpoint.
        Raises TransientError when a reader stands in the way.
        """
        if self.dialect != "sqlite" or self.reader is None:
            return
        if self._lock is None:
            with suppress(ConfigError), _file_lock(self.url):
                self._checkpoint()
        else:
            self._checkpoint()

    def compact(self) -> None:
        """Write the database anew, without any trace of what was deleted. Nobody else can write meanwhile."""
        if self.dialect == "postgresql":
            with self.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("vacuum")
            return
        raw = self.writer.raw_connection()  # outside of any transaction
        try:
            raw.cursor().execute("vacuum")
        finally:
            raw.close()
        self.truncate_log()

    def _checkpoint(self) -> None:
        connection = self.writer.raw_connection()  # outside of any transaction
        try:
            cursor = connection.cursor()
            cursor.execute("pragma wal_checkpoint(truncate)")
            (busy, *_) = cursor.fetchone() or (1,)
            cursor.close()
        finally:
            connection.close()
        if busy:
            raise TransientError("the write-ahead log cannot be emptied: a reader holds on to it", code="storage")

    def dispose(self) -> None:
        """Close every connection and give the lock back."""
        if self.reader is not None:
            self.reader.dispose()
        self.writer.dispose()
        if self._lock is not None:
            self._lock.release()


def connect(url: str, *, exclusive: bool = False, schema: str | None = None, readers: int = READERS) -> Database:
    """Open a database; nothing in it is touched yet.

    Raises ConfigError for a URL that we cannot use, and when ``exclusive`` and another process holds the lock.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(f"database: {url!r} is no URL; write sqlite:///file.db or postgresql://...") from error
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed, exclusive=exclusive, readers=readers)
        case "postgresql":
            return _postgresql(parsed.set(drivername="postgresql+psycopg"), schema or SCHEMA, readers)
        case other:
            raise ConfigError(f"database: {other} is not supported; write sqlite:///file.db or postgresql://...")


class FileLock:
    """A lock that the operating system gives back however its owner ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            owner = self._file.read().strip() or "unknown"
            self._file.close()
            raise ConfigError(
                f"another storeweave (process {owner}) serves this database already ({path}); stop it first, "
                "or use PostgreSQL to run several"
            ) from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Give it back. The file stays: removing it would let two processes lock two different files."""
        self._file.close()

    def __enter__(self) -> FileLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _file_lock(url: URL) -> FileLock:
    path = Path(url.database or "")
    return FileLock(path.with_name(path.name + ".lock"))


def _sqlite(url: URL, *, exclusive: bool, readers: int) -> Database:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise ConfigError(f"database: SQLite {sqlite3.sqlite_version} is too old; 3.35 or newer is needed")
    url = url.set(drivername="sqlite+pysqlite")
    if not url.database or url.database == ":memory:":
        writer = create_engine(
            url, poolclass=StaticPool, connect_args={"check_same_thread": False, "isolation_level": None}
        )
        _at_connect(writer, _set_up_sqlite("pragma secure_delete = on"))
        _begin_immediate(writer)
        return Database(url=url, dialect="sqlite", writer=writer, reader=None)
    path = Path(url.database)
    if not path.parent.is_dir():
        raise ConfigError(f"database: there is no folder {path.parent}; make it, or name another file")
    lock = _file_lock(url) if exclusive else None
    arguments = {"check_same_thread": False, "isolation_level": None, "timeout": BUSY_MS / 1000}
    writer = create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0, connect_args=arguments)
    # Only the process that serves checkpoints: SQLite before 3.51.3 has a rare fault when two connections do.
    checkpoint_pages = 1000 if exclusive else 0
    _at_connect(
        writer,
        _set_up_sqlite(
            "pragma journal_mode = wal",
            "pragma synchronous = full",
            "pragma secure_delete = on",
            "pragma temp_store = memory",
            "pragma cache_size = -32000",
            f"pragma wal_autocheckpoint = {checkpoint_pages}",
        ),
    )
    _begin_immediate(writer)
    reader = create_engine(url, poolclass=QueuePool, pool_size=readers, max_overflow=0, connect_args=arguments)
    _at_connect(
        reader, _set_up_sqlite("pragma query_only = on", "pragma temp_store = memory", "pragma cache_size = -8000")
    )
    return Database(url=url, dialect="sqlite", writer=writer, reader=reader, lock=lock)


def _set_up_sqlite(*pragmas: str) -> Callable[[Any], None]:
    def set_up(connection: sqlite3.Connection) -> None:
        # SQLite's own lower() knows only ASCII; people search for titles in every script.
        connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)
        for pragma in pragmas:
            connection.execute(pragma).close()

    return set_up


def _at_connect(engine: Engine, set_up: Callable[[Any], None]) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:  # noqa: ARG001 - SQLAlchemy's signature
        set_up(connection)


def _begin_immediate(engine: Engine) -> None:
    """Take the write lock at once: a transaction that starts by reading could not be waited for later."""

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("begin immediate")


def _postgresql(url: URL, schema: str, readers: int) -> Database:
    if not _PLAIN_NAME.fullmatch(schema):
        raise ConfigError(f"database: schema {schema!r}: use small letters, digits and _ only")
    settings = {
        "search_path": schema,
        # A process that stands still in a transaction keeps its locks for so long, and nobody can take its lanes over.
        "idle_in_transaction_session_timeout": "10s",
        # Every statement finds its rows by key; what people look at is small, or read whole in any case.
        "enable_seqscan": "off",
        "jit": "off",
    }
    arguments = {
        "options": " ".join(f"-c{name}={value}" for name, value in settings.items()),
        "application_name": "storeweave",
        "keepalives_idle": 30,
        "connect_timeout": 10,
    }
    writer = create_engine(url, pool_size=1, max_overflow=0, connect_args=arguments)
    reader = create_engine(
        url,
        pool_size=readers,
        max_overflow=0,
        pool_pre_ping=True,
        isolation_level="AUTOCOMMIT",
        connect_args=arguments,
    )
    return Database(url=url, dialect="postgresql", writer=writer, reader=reader, schema=schema)
