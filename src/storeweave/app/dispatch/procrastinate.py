"""The dispatcher of many processes: Procrastinate, a task queue on PostgreSQL, used as a doorbell and nothing else.

A ring is a job that is deferred when a lane has something due and nobody owns it; whichever process takes the job first
looks at the lane. The rules (docs/decisions/0005-procrastinate-is-a-doorbell.md) keep its known faults from mattering:

- ``queueing_lock`` is the lane, so at most one ring waits per lane; no ``lock``, no ``retry``.
- Answering sets an event and never raises; jobs are deleted whatever became of them.
- Jobs of workers that died are removed by a sweep. Until then they are in nobody's way.
- A doorbell that is out of order says so once, rings this process' own lanes, and is tried again for ever.

Its tables live in a schema of their own. Nothing in them is worth keeping: they are made anew when the library's
version changes them.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import procrastinate
import psycopg
import structlog
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status
from procrastinate.schema import SchemaManager
from psycopg import sql
from psycopg_pool import AsyncConnectionPool

from storeweave.model.errors import StoreweaveError
from storeweave.model.kinds import LaneName
from storeweave.ports.clock import Clock
from storeweave.ports.dispatcher import OnRing

log = structlog.get_logger(__name__)

LanesDue = Callable[[datetime], Awaitable[Sequence[LaneName]]]
"""Lanes that have something due and no owner (``JournalStore.lanes_due``)."""

SCHEMA = "storeweave_doorbell"
QUEUE = "lanes"
TASK = "storeweave.ring"
HEARTBEAT_S = 10.0
DEAD_AFTER_S = 30.0
"""A process whose heart has not beaten for so long is dead; its jobs are removed."""
POLL_S = 5.0
"""How often waiting rings are looked for where no notification comes through (a pooler in transaction mode)."""
LONGEST_PAUSE_S = 30.0
"""Between tries to repair the doorbell."""
CLOSE_S = 5.0
_HEAD_START_S = 0.1
"""Own lanes hear a ring directly (``Hub``). Other processes are rung for what these have not taken by then."""

_LOST = (ConnectorException, psycopg.Error, StoreweaveError, OSError)
"""What a doorbell out of order looks like."""


class ProcrastinateDispatcher:
    """Rings lanes in whichever process has time for them."""

    def __init__(
        self,
        url: str,
        lanes_due: LanesDue,
        clock: Clock,
        *,
        schema: str = SCHEMA,
        poll_s: float = POLL_S,
        sweep_s: float = DEAD_AFTER_S,
        dead_after_s: float = DEAD_AFTER_S,
    ) -> None:
        """``url`` is PostgreSQL's own form (``postgresql://``); ``lanes_due`` is the store's."""
        self._url = url
        self._lanes_due = lanes_due
        self._clock = clock
        self._schema = schema
        self._poll_s = poll_s
        self._sweep_s = sweep_s
        self._dead_after_s = dead_after_s
        self._wanted: dict[LaneName, float] = {}
        self._bell = asyncio.Event()
        self._on_ring: OnRing | None = None
        self._pool: AsyncConnectionPool | None = None
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        # Written out as a function that takes what the job holds: the library calls it by name.
        self._task = self._app.task(name=TASK, queue=QUEUE)(self._answer)
        self._tried = asyncio.Event()  # to set it up: rings of the first moment wait for that
        self._silent = False
        for name in ("procrastinate", "psycopg.pool"):
            # They tell of every try; we tell once that the doorbell is out of order, and once that it is back.
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def ring(self, lane: LaneName, wait_s: float = 0.0) -> None:
        at = self._clock.monotonic() + max(wait_s, 0.0) + (_HEAD_START_S if self._on_ring is not None else 0.0)
        known = self._wanted.get(lane)
        if known is None or at < known:
            self._wanted[lane] = at
            self._bell.set()

    async def run(self, on_ring: OnRing | None) -> None:
        self._on_ring = on_ring
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_in_order(), name="doorbell")
                group.create_task(self._ring_out(), name="doorbell out")
        finally:
            self._on_ring = None

    async def close(self) -> None:
        if self._pool is not None:
            with suppress(*_LOST):
                await self._pool.close(timeout=CLOSE_S)
            self._pool = None

    # --- out --------------------------------------------------------------------------------------------------------

    async def _ring_out(self) -> None:
        await self._tried.wait()
        while True:
            self._bell.clear()
            now = self._clock.monotonic()
            ready = [lane for lane, at in self._wanted.items() if at <= now]
            for lane in ready:
                del self._wanted[lane]
            if ready:
                await self._defer(ready)
                continue
            wait_s = min(self._wanted.values()) - now if self._wanted else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._bell.wait()

    async def _defer(self, lanes: list[LaneName]) -> None:
        """Ring for those lanes that have something due and no owner; one that is owned looks again by itself."""
        try:
            due = set(await self._lanes_due(self._clock.now()))
            if self._pool is None and due:
                raise ConnectorException("it is not set up yet")
            for lane in lanes:
                if lane in due:
                    # AlreadyEnqueued: somebody has rung. AssertionError: the same, on a server that does not tell it
                    # in English; the library reads the message.
                    with suppress(AlreadyEnqueued, AssertionError):
                        await self._task.configure(queueing_lock=lane).defer_async(lane=lane)
                    self._in_order()
        except _LOST as error:
            self._out_of_order(error)
            for lane in lanes:
                await self._answer(lane)

    # --- in ---------------------------------------------------------------------------------------------------------

    async def _answer(self, lane: str) -> None:
        if self._on_ring is not None:
            self._on_ring(LaneName(lane))

    async def _keep_in_order(self) -> None:
        """Set the doorbell up, listen, sweep; and all over again when it breaks."""
        pause_s, replace = 1.0, True
        while True:
            started = self._clock.monotonic()
            try:
                await self._set_up(replace=replace)
                replace = False
                self._tried.set()
                await self._listen()
            except _LOST as error:
                self._out_of_order(error)
            self._tried.set()
            if self._clock.monotonic() - started > 2 * LONGEST_PAUSE_S:
                pause_s = 1.0
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _listen(self) -> None:
        """Take rings until the worker gives up; only sweep where this process works no lanes."""
        if self._on_ring is None:
            while True:
                await self._clock.sleep(self._sweep_s)
                await self._sweep()
        worker = asyncio.create_task(
            self._app.run_worker_async(
                queues=[QUEUE],
                concurrency=2,
                delete_jobs="always",
                install_signal_handlers=False,
                fetch_job_polling_interval=self._poll_s,
                update_heartbeat_interval=HEARTBEAT_S,
                stalled_worker_timeout=self._dead_after_s,
                shutdown_graceful_timeout=CLOSE_S,
            ),
            name="doorbell in",
        )
        try:
            while not worker.done():
                await asyncio.wait([worker], timeout=self._sweep_s)
                if not worker.done():
                    await self._sweep()
        finally:
            await _end(worker)
        raise ConnectorException(f"its worker stopped: {worker.exception()}")

    async def _sweep(self) -> None:
        """Remove what dead processes left: their registration and the rings that they had taken."""
        jobs = self._app.job_manager
        await jobs.prune_stalled_workers(self._dead_after_s)
        for job in await jobs.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=self._dead_after_s):
            with suppress(ConnectorException):  # another process swept it first
                await jobs.finish_job(job=job, status=Status.FAILED, delete_job=True)
                log.info("doorbell.swept", lane=job.queueing_lock)
        self._in_order()

    # --- set up -----------------------------------------------------------------------------------------------------

    async def _set_up(self, *, replace: bool) -> None:
        await self._make_tables(replace=replace)
        if self._pool is None:
            pool = AsyncConnectionPool(
                self._url,
                kwargs={"options": f"-csearch_path={self._schema}", "application_name": "storeweave doorbell"},
                min_size=1,
                max_size=4,
                timeout=CLOSE_S,
                open=False,
                configure=_autocommit,
                check=AsyncConnectionPool.check_connection,
                name="doorbell",
            )
            await pool.open()
            await self._app.open_async(pool)
            self._pool = pool

    async def _make_tables(self, *, replace: bool) -> None:
        """Make the library's tables unless they are there; ``replace``: also where they are another version's."""
        script = SchemaManager.get_schema()
        version = hashlib.sha256(script.encode()).hexdigest()[:16]
        name = sql.Identifier(self._schema)
        async with await psycopg.AsyncConnection.connect(self._url, connect_timeout=10) as connection:
            await connection.execute("set local lock_timeout = '5s'")
            await connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [self._schema])
            found = await connection.execute(
                "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = %s", [self._schema]
            )
            row = await found.fetchone()
            if row is not None and (row[0] == version or not replace):
                return
            await connection.execute(sql.SQL("drop schema if exists {} cascade").format(name))
            await connection.execute(sql.SQL("create schema {}").format(name))
            await connection.execute(sql.SQL("set local search_path = {}").format(name))
            await connection.execute(script)
            await connection.execute(sql.SQL("comment on schema {} is {}").format(name, sql.Literal(version)))
        log.info("doorbell.made", schema=self._schema)

    # --- telling ----------------------------------------------------------------------------------------------------

    def _out_of_order(self, error: BaseException) -> None:
        if not self._silent:
            self._silent = True
            log.warning("doorbell.out-of-order", reason=str(error) or repr(error.__cause__ or error))

    def _in_order(self) -> None:
        if self._silent:
            self._silent = False
            log.info("doorbell.in-order")


async def _autocommit(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)


async def _end(worker: asyncio.Task[None]) -> None:
    """Stop the library's worker: first it may finish what it has in hand, then it must go."""
    for _ in range(2):
        if not worker.done():
            worker.cancel()
            await asyncio.wait([worker], timeout=CLOSE_S)
    if worker.done() and not worker.cancelled():
        worker.exception()  # what it could not tidy up because the database was away is nobody's loss
