"""The doorbell between processes: what it promises when it works, and that nobody suffers when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from storeweave.app.dispatch import dispatcher_for
from storeweave.app.dispatch.local import LocalDispatcher
from storeweave.app.dispatch.procrastinate import SCHEMA, ProcrastinateDispatcher
from storeweave.model.errors import TransientError
from storeweave.model.kinds import LaneName
from storeweave.ports.clock import SystemClock
from storeweave.ports.dispatcher import Dispatcher
from storeweave.storage.store import open_store
from tests.scaleout.rig import until

HERE, THERE, ELSEWHERE = LaneName("here"), LaneName("there"), LaneName("elsewhere")
LIMIT_S = 30.0
pytestmark = pytest.mark.postgres


class Lanes:
    """Which lanes need somebody, as the store would say."""

    def __init__(self, *due: LaneName) -> None:
        self.due = due
        self.asked = 0
        self.fails = False

    async def lanes_due(self, now: datetime) -> Sequence[LaneName]:
        assert now.tzinfo is not None
        self.asked += 1
        if self.fails:
            raise TransientError("our own database is away")
        return self.due


class Listener:
    """Remembers the rings that it answers."""

    def __init__(self) -> None:
        self.heard: list[LaneName] = []
        self._changed = asyncio.Event()

    def __call__(self, lane: LaneName) -> None:
        self.heard.append(lane)
        self._changed.set()

    async def hears(self, *lanes: LaneName) -> None:
        """Wait until these were heard, in whatever order and among whatever else."""
        async with asyncio.timeout(LIMIT_S):
            while not set(lanes) <= set(self.heard):
                self._changed.clear()
                await self._changed.wait()


def doorbell(url: str, lanes: Lanes, **settings: Any) -> ProcrastinateDispatcher:
    return ProcrastinateDispatcher(url, lanes.lanes_due, SystemClock(), **settings)


@asynccontextmanager
async def running(dispatcher: Dispatcher, listener: Listener | None) -> AsyncIterator[None]:
    task = asyncio.create_task(dispatcher.run(listener))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        async with asyncio.timeout(LIMIT_S):
            await asyncio.wait([task])
        await dispatcher.close()


async def rows(url: str, statement: str, *arguments: object) -> list[Any]:
    """Look at (or tamper with) the doorbell's own tables."""
    async with await psycopg.AsyncConnection.connect(
        url, autocommit=True, options=f"-csearch_path={SCHEMA}"
    ) as connection:
        cursor = await connection.execute(sql.SQL(statement), arguments)
        return await cursor.fetchall() if cursor.description else []


async def jobs_made(url: str) -> int:
    ((count,),) = await rows(
        url, "select case when is_called then last_value else 0 end from procrastinate_jobs_id_seq"
    )
    return int(count)


async def listening(url: str) -> None:
    """A worker is there, and the tables are as they will be."""

    async def registered() -> bool:
        try:
            return await rows(url, "select 1 from procrastinate_workers") != []
        except psycopg.errors.UndefinedTable:
            return False

    await until(registered, "a worker registers")


async def test_a_ring_of_one_process_is_answered_by_another(postgres_url: str) -> None:
    lanes, listener = Lanes(HERE), Listener()
    door, worker = doorbell(postgres_url, lanes), doorbell(postgres_url, lanes)
    async with running(worker, listener), running(door, None):
        await listening(postgres_url)
        door.ring(HERE)
        await listener.hears(HERE)

        async def tidy() -> bool:
            return await rows(postgres_url, "select 1 from procrastinate_jobs") == []

        await until(tidy, "the job is deleted")
    assert await rows(postgres_url, "select 1 from procrastinate_workers") == []


async def test_lanes_that_have_an_owner_or_nothing_to_do_are_not_rung(postgres_url: str) -> None:
    lanes, listener = Lanes(THERE), Listener()
    dispatcher = doorbell(postgres_url, lanes)
    async with running(dispatcher, listener):
        await listening(postgres_url)
        dispatcher.ring(HERE)
        dispatcher.ring(THERE)
        await listener.hears(THERE)
        assert listener.heard == [THERE]
        assert await jobs_made(postgres_url) == 1


async def test_rings_for_one_lane_that_wait_at_the_same_time_become_one(postgres_url: str) -> None:
    lanes, listener = Lanes(HERE, THERE), Listener()
    dispatcher = doorbell(postgres_url, lanes)
    async with running(dispatcher, listener):
        await listening(postgres_url)
        for _ in range(1000):
            dispatcher.ring(HERE)
            dispatcher.ring(THERE, 0.05)
        await listener.hears(HERE, THERE)
        assert listener.heard == [HERE, THERE]
        assert await jobs_made(postgres_url) == 2
        assert lanes.asked <= 2


async def test_a_ring_for_later_does_not_hold_up_a_ring_for_now(postgres_url: str) -> None:
    lanes, listener = Lanes(HERE, THERE), Listener()
    dispatcher = doorbell(postgres_url, lanes)
    async with running(dispatcher, listener):
        await listening(postgres_url)
        dispatcher.ring(THERE, 1.0)
        dispatcher.ring(HERE)
        await listener.hears(HERE, THERE)
        assert listener.heard == [HERE, THERE]


async def test_a_ring_before_the_start_is_not_forgotten(postgres_url: str) -> None:
    lanes, listener = Lanes(HERE), Listener()
    dispatcher = doorbell(postgres_url, lanes)
    dispatcher.ring(HERE)
    async with running(dispatcher, listener):
        await listener.hears(HERE)


async def test_a_job_that_a_dead_worker_left_blocks_nothing_and_is_removed(postgres_url: str) -> None:
    lanes, listener = Lanes(HERE), Listener()
    async with running(doorbell(postgres_url, lanes), None):
        await until_made(postgres_url)
    ((dead,),) = await rows(
        postgres_url,
        "insert into procrastinate_workers (last_heartbeat) values (now() - interval '1 day') returning id",
    )
    await rows(
        postgres_url,
        "insert into procrastinate_jobs (queue_name, task_name, queueing_lock, args, status, worker_id) "
        "values ('lanes', 'storeweave.ring', 'here', '{\"lane\": \"here\"}', 'doing', %s)",
        dead,
    )
    dispatcher = doorbell(postgres_url, lanes, sweep_s=0.1)
    async with running(dispatcher, listener):
        dispatcher.ring(HERE)
        await listener.hears(HERE)

        async def swept() -> bool:
            return await rows(postgres_url, "select 1 from procrastinate_jobs") == []

        await until(swept, "the dead worker's job is removed")
        assert await rows(postgres_url, "select 1 from procrastinate_workers where id = %s", dead) == []


async def until_made(url: str) -> None:
    async def made() -> bool:
        return await rows(url, "select 1 from pg_namespace where nspname = %s", SCHEMA) != []

    await until(made, "the tables are made")


async def test_many_processes_may_start_at_once(postgres_url: str) -> None:
    lanes, listener = Lanes(HERE), Listener()
    first, second, third = (doorbell(postgres_url, lanes) for _ in range(3))
    with capture_logs() as logs:
        async with running(first, listener), running(second, listener), running(third, None):
            third.ring(HERE)
            await listener.hears(HERE)
    assert [entry["event"] for entry in logs] == ["doorbell.made"]


async def test_tables_of_another_version_of_the_library_are_made_anew(postgres_url: str) -> None:
    lanes, listener = Lanes(HERE), Listener()
    async with running(doorbell(postgres_url, lanes), None):
        await until_made(postgres_url)
    await rows(postgres_url, f"comment on schema {SCHEMA} is 'an older one'")
    await rows(postgres_url, "alter table procrastinate_jobs drop column priority")
    dispatcher = doorbell(postgres_url, lanes)
    async with running(dispatcher, listener):
        await listening(postgres_url)
        dispatcher.ring(HERE)
        await listener.hears(HERE)


async def test_a_doorbell_that_breaks_says_so_once_rings_its_own_lanes_and_is_repaired(postgres_url: str) -> None:
    lanes, listener = Lanes(HERE, THERE, ELSEWHERE), Listener()
    dispatcher = doorbell(postgres_url, lanes, poll_s=0.1, sweep_s=0.1)
    with capture_logs() as logs:
        async with running(dispatcher, listener):
            await listening(postgres_url)
            await rows(postgres_url, f"drop schema {SCHEMA} cascade")
            dispatcher.ring(HERE)
            dispatcher.ring(THERE)
            await listener.hears(HERE, THERE)
            await listening(postgres_url)

            async def told() -> bool:
                return any(entry["event"] == "doorbell.in-order" for entry in logs)

            await until(told, "it says that it is back")
            dispatcher.ring(ELSEWHERE)
            await listener.hears(ELSEWHERE)
    events = [entry["event"] for entry in logs]
    assert events.count("doorbell.out-of-order") == 1
    assert events.count("doorbell.in-order") == 1


async def test_a_database_that_cannot_be_asked_leaves_every_process_to_itself() -> None:
    nobody = "postgresql://nobody@127.0.0.1:1/none"
    lanes, listener = Lanes(HERE), Listener()
    lanes.fails = True
    dispatcher = doorbell(nobody, lanes)
    with capture_logs() as logs:
        async with running(dispatcher, listener):
            dispatcher.ring(HERE)
            await listener.hears(HERE)
    assert [entry["event"] for entry in logs] == ["doorbell.out-of-order"]


async def test_a_single_process_answers_itself() -> None:
    dispatcher, listener = LocalDispatcher(), Listener()
    dispatcher.ring(HERE)
    async with running(dispatcher, listener):
        await asyncio.sleep(0)
        dispatcher.ring(THERE, 0.01)
        dispatcher.ring(ELSEWHERE)
        await listener.hears(THERE)
        assert listener.heard == [ELSEWHERE, THERE]


async def test_the_database_decides_which_dispatcher_it_is(postgres_url: str) -> None:
    clock = SystemClock()
    store = open_store("sqlite://", clock=clock)
    try:
        assert isinstance(dispatcher_for("sqlite://", store, clock), LocalDispatcher)
        assert isinstance(dispatcher_for(postgres_url, store, clock), ProcrastinateDispatcher)
        assert isinstance(
            dispatcher_for(postgres_url.replace("postgresql", "postgresql+psycopg", 1), store, clock),
            ProcrastinateDispatcher,
        )
    finally:
        await store.close()
