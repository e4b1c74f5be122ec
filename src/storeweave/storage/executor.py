"""How units of work run against the database, and the executor for simulations.

A unit is a function of a session that does nothing but run statements. So it may be run again: after a deadlock, after
a connection broke before its commit, and alone when a unit that shared its transaction failed.

``Inline`` runs everything in the calling coroutine on one connection, with a hook on each side of every commit. The
executor for programs is ``writer.WriterThread``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError

from storeweave.model.errors import TransientError
from storeweave.ports.clock import Clock
from storeweave.storage.connections import Database
from storeweave.storage.session import Session

T = TypeVar("T")
Work = Callable[[Session], T]
MergedWork = Callable[[Session, Sequence[Any]], Sequence[T]]
"""Work that many callers share: one argument in, one result out, per caller."""
Hook = Callable[[str], None]

MOST_TRIES = 20
RETRY_STATES = frozenset({"40P01", "40001"})
"""PostgreSQL: deadlock, serialization failure. The transaction did nothing and may be run again."""


class Executor(Protocol):
    """What a store runs its units with. ``name`` is the operation's, for hooks and messages."""

    def start(self, database: Database, clock: Clock) -> None:
        """Get ready; called once, before anything else."""

    async def read(self, name: str, work: Work[T]) -> T:
        """Run work that only reads."""

    async def write(self, name: str, work: Work[T]) -> T:
        """Run work; durable on return."""

    async def write_merged(self, name: str, work: MergedWork[T], argument: object) -> T:
        """The same for work that may be done together with other callers' work of the same sort."""

    async def outside(self, work: Callable[[Database], None]) -> None:
        """Run work that cannot be inside a transaction, while no transaction of ours is open."""

    async def close(self) -> None:
        """Finish what was asked for, then stop."""


def nothing(_: str) -> None:
    """The hook that does nothing."""


def look(database: Database, clock: Clock, work: Work[T]) -> T:
    """Run work that only reads, on a reading connection."""
    try:
        with (database.reader or database.writer).connect() as connection:
            return work(Session(connection, database.dialect, clock))
    except OperationalError as error:
        raise _unusable(error) from error


def transact(
    database: Database, clock: Clock, work: Work[T], *, name: str = "", before: Hook = nothing, after: Hook = nothing
) -> T:
    """Run one transaction on the writing connection, again where the database asks for that.

    Raises TransientError when the database cannot be used right now.
    """
    for tries_left in reversed(range(MOST_TRIES)):
        committing = False
        try:
            with database.writer.connect() as connection:
                transaction = connection.begin()
                result = work(Session(connection, database.dialect, clock))
                before(name)
                committing = True
                transaction.commit()
        except DBAPIError as error:
            # A connection that breaks during the commit leaves it open whether it happened: the caller decides.
            harmless = _sqlstate(error) in RETRY_STATES or (error.connection_invalidated and not committing)
            if harmless and tries_left:
                continue
            if isinstance(error, OperationalError):
                raise _unusable(error) from error
            raise
        after(name)
        return result
    raise AssertionError("the last try returns or raises")


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _unusable(error: OperationalError) -> TransientError:
    return TransientError(f"our own database: {error.orig}", code="storage")


class Inline:
    """Runs everything at once in the caller's coroutine.

    ``before_commit`` and ``after_commit`` are called with the name of the unit. A crash raised from the first leaves
    the database as it was; one raised from the second leaves it changed without the caller knowing. They may be
    exchanged at any time. Nothing is kept in memory: after a crash the same store serves the next life.
    """

    def __init__(self, *, before_commit: Hook = nothing, after_commit: Hook = nothing) -> None:
        self.before_commit = before_commit
        self.after_commit = after_commit
        self._at: tuple[Database, Clock] | None = None

    def start(self, database: Database, clock: Clock) -> None:
        self._at = database, clock

    async def read(self, name: str, work: Work[T]) -> T:
        del name
        return look(*self._open(), work)

    async def write(self, name: str, work: Work[T]) -> T:
        return self._run(name, work)

    async def write_merged(self, name: str, work: MergedWork[T], argument: object) -> T:
        return self._run(name, lambda session: work(session, [argument])[0])

    async def outside(self, work: Callable[[Database], None]) -> None:
        work(self._open()[0])

    async def close(self) -> None:
        self._at = None

    def _run(self, name: str, work: Work[T]) -> T:
        return transact(*self._open(), work, name=name, before=self.before_commit, after=self.after_commit)

    def _open(self) -> tuple[Database, Clock]:
        if self._at is None:
            raise RuntimeError("the store is closed")
        return self._at
