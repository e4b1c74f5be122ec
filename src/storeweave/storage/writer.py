"""The executor for programs: one writer thread with group commit, a few reader threads.

The writer takes whatever is queued, runs it in one transaction, commits once, and only then answers everybody who
waits; there is no timer and no added delay. Reads see every commit that was acknowledged before.

On PostgreSQL only work of the same sort shares a transaction: each sort locks rows in key order, which keeps processes
from deadlocking each other, and two sorts in one transaction would not. On SQLite nobody else writes at the same time.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from typing import Any, TypeVar

from storeweave.model.errors import TransientError
from storeweave.ports.clock import Clock
from storeweave.storage.connections import READERS, Database
from storeweave.storage.executor import MergedWork, Work, look, transact
from storeweave.storage.session import Session

T = TypeVar("T")
MOST_UNITS = 2_000
"""In one transaction; bounds how long the first of a flood waits for the last."""


class _Sort(Enum):
    ALONE = auto()  # a function of a session
    MERGED = auto()  # a function of a session and the arguments of all who wait
    OUTSIDE = auto()  # a function of the database, in no transaction


class _Unit:
    """Work, and who waits for it."""

    __slots__ = ("argument", "future", "loop", "sort", "work")

    def __init__(self, work: Any, argument: object = None, *, sort: _Sort) -> None:
        self.work = work
        self.argument = argument
        self.sort = sort
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()


_Answer = tuple[_Unit, Any, Exception | None]
_Batch = Sequence[_Unit]
"""One unit, or several whose work is merged."""


class WriterThread:
    """Group commit on one thread, reads on a few others."""

    def __init__(self, *, readers: int = READERS) -> None:
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="store-reader")
        self._thread: threading.Thread | None = None
        self._at: tuple[Database, Clock] | None = None

    def start(self, database: Database, clock: Clock) -> None:
        self._at = database, clock
        self._thread = threading.Thread(
            target=self._write_for_ever, args=(database, clock), name="store-writer", daemon=True
        )
        self._thread.start()

    async def read(self, name: str, work: Work[T]) -> T:
        database, clock = self._open()
        if database.reader is None:
            return await self.write(name, work)
        return await asyncio.get_running_loop().run_in_executor(self._pool, look, database, clock, work)

    async def write(self, name: str, work: Work[T]) -> T:
        del name
        return await self._submit(_Unit(work, sort=_Sort.ALONE))  # type: ignore[no-any-return]

    async def write_merged(self, name: str, work: MergedWork[T], argument: object) -> T:
        del name
        return await self._submit(_Unit(work, argument, sort=_Sort.MERGED))  # type: ignore[no-any-return]

    async def outside(self, work: Callable[[Database], None]) -> None:
        await self._submit(_Unit(work, sort=_Sort.OUTSIDE))

    async def close(self) -> None:
        if self._at is None or self._thread is None:
            return
        self._at = None
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._pool.shutdown)

    def _open(self) -> tuple[Database, Clock]:
        if self._at is None:
            raise RuntimeError("the store is closed")
        return self._at

    def _submit(self, unit: _Unit) -> asyncio.Future[Any]:
        self._open()
        self._queue.put(unit)
        return unit.future

    def _write_for_ever(self, database: Database, clock: Clock) -> None:
        stop = False
        while not stop:
            units, stop = self._take()
            for group in _groups(units, together=database.dialect == "sqlite"):
                _deliver(_commit(database, clock, group))
            _deliver([_outside(database, unit) for unit in units if unit.sort is _Sort.OUTSIDE])

    def _take(self) -> tuple[list[_Unit], bool]:
        """Wait for a unit, then take all that are there. True: there will be no more."""
        units: list[_Unit] = []
        unit = self._queue.get()
        while unit is not None:
            units.append(unit)
            if len(units) == MOST_UNITS:
                return units, False
            try:
                unit = self._queue.get_nowait()
            except queue.Empty:
                return units, False
        return units, True


def _groups(units: Sequence[_Unit], *, together: bool) -> Iterable[Sequence[_Batch]]:
    """What shares a transaction. Order between callers who wait at the same time has no meaning."""
    batches: list[list[_Unit]] = []
    shared: dict[Any, list[_Unit]] = {}
    for unit in units:
        if unit.sort is _Sort.OUTSIDE:
            continue
        if unit.sort is _Sort.ALONE:
            batches.append([unit])
        elif unit.work in shared:
            shared[unit.work].append(unit)
        else:
            shared[unit.work] = [unit]
            batches.append(shared[unit.work])
    if together:
        return [batches] if batches else []
    return [[batch] for batch in batches]


def _commit(database: Database, clock: Clock, group: Sequence[_Batch]) -> list[_Answer]:
    """Run a group in one transaction; when it fails, each unit in its own, so that one doesn't spoil the others."""
    try:
        return transact(database, clock, partial(_run, group))
    except TransientError as error:
        return [(unit, None, error) for batch in group for unit in batch]
    except Exception as error:  # noqa: BLE001 - handed to whoever waits for the unit
        units = [unit for batch in group for unit in batch]
        if len(units) == 1:
            return [(units[0], None, error)]
        return [answer for unit in units for answer in _commit(database, clock, [[unit]])]


def _outside(database: Database, unit: _Unit) -> _Answer:
    try:
        return unit, unit.work(database), None
    except Exception as error:  # noqa: BLE001 - handed to whoever waits for the unit
        return unit, None, error


def _run(group: Sequence[_Batch], session: Session) -> list[_Answer]:
    answers: list[_Answer] = []
    for batch in group:
        if batch[0].sort is _Sort.MERGED:
            results = batch[0].work(session, [unit.argument for unit in batch])
            answers += [(unit, result, None) for unit, result in zip(batch, results, strict=True)]
        else:
            answers.append((batch[0], batch[0].work(session), None))
    return answers


def _deliver(answers: Sequence[_Answer]) -> None:
    """Wake those who wait: one call into each event loop per commit."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer[0].loop, []).append(answer)
    for loop, its_answers in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(_wake, its_answers)


def _wake(answers: Sequence[_Answer]) -> None:
    for unit, result, error in answers:
        if unit.future.done():  # its caller was cancelled
            continue
        if error is None:
            unit.future.set_result(result)
        else:
            unit.future.set_exception(error)
