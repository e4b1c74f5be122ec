"""Several processes on one PostgreSQL: one owner per lane, no lost notice, no lasting deadlock, bells that ring."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event

from storeweave.model.kinds import LaneName
from storeweave.model.state import Acceptance, Done, Settlement
from storeweave.ports.clock import SystemClock
from storeweave.storage import SqlStore, journal, open_store
from storeweave.storage.session import Session
from tests.storage.samples import LANE, NOW, key, later, names, notice

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]

CONTEND = """
import asyncio, sys
from datetime import timedelta
from storeweave.model.state import Settlement
from storeweave.storage import open_store
from tests.storage.samples import LANE
async def main():
    store = open_store(sys.argv[1])
    turns = 0
    while turns < 40:
        hold = await store.take_lane(LANE, sys.argv[2], 60)
        if hold is None:
            await asyncio.sleep(0.001)
            continue
        # One at a time: whoever meets another inside has found a lane with two owners.
        inside = await store.get_value("inside")
        assert not inside, inside
        await store.put_value("inside", sys.argv[2])
        count = int(await store.get_value("count") or "0")
        await store.put_value("count", str(count + 1))
        await store.put_value("inside", "")
        assert await store.settle(hold, Settlement())
        await store.release_lane(hold)
        turns += 1
    await store.close()
asyncio.run(main())
"""

STORM = """
import asyncio, random, sys
from storeweave.model.state import Done, Failed, Settlement
from storeweave.storage import open_store
from tests.storage.samples import LANE, NOW, key, notice
async def main():
    rng = random.Random(sys.argv[2])
    store = open_store(sys.argv[1])
    async def deliver():
        for _ in range(60):
            await store.accept([notice(rng.randrange(60)) for _ in range(20)])
    async def work():
        for _ in range(60):
            hold = await store.take_lane(LANE, sys.argv[2], 60, exclusive=True)
            marks = list(await store.due(LANE, NOW, 40))
            rng.shuffle(marks)
            await store.settle(hold, Settlement(
                done=[Done(key=m.key, want=m.want) for m in marks[::2]],
                failed=[Failed(key=m.key, want=m.want, due_at=NOW) for m in marks[1::2]],
                again=[notice(rng.randrange(60)) for _ in range(5)],
                worked=[m.key for m in marks],
            ))
    await asyncio.gather(deliver(), deliver(), work())
    await store.close()
asyncio.run(main())
"""


@pytest.fixture
async def stores(empty_postgres_url: str) -> AsyncIterator[tuple[SqlStore, SqlStore]]:
    """Two processes, as far as the database can tell."""
    first, second = open_store(empty_postgres_url), open_store(empty_postgres_url)
    yield first, second
    await first.close()
    await second.close()


def run_processes(program: str, url: str, names: list[str]) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", program, url, name], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for name in names
    ]
    try:
        for child in children:
            _, error = child.communicate(timeout=120)
            assert child.returncode == 0, error
    finally:
        for child in children:
            child.kill()


def test_two_processes_are_never_in_one_lane_together(empty_postgres_url: str) -> None:
    asyncio.run(open_store(empty_postgres_url).close())
    run_processes(CONTEND, empty_postgres_url, ["one", "two"])
    with psycopg.connect(empty_postgres_url) as connection:
        row = connection.execute("select value from storeweave.value where name = 'count'").fetchone()
    assert row == ("80",)


def test_accepting_and_settling_the_same_keys_from_many_sides_ends(empty_postgres_url: str) -> None:
    asyncio.run(open_store(empty_postgres_url).close())
    run_processes(STORM, empty_postgres_url, ["1", "2", "3"])
    with psycopg.connect(empty_postgres_url) as connection:
        (deadlocks,) = connection.execute(
            "select deadlocks from pg_stat_database where datname = current_database()"
        ).fetchone() or (None,)
    # Locks are taken in key order, so there is next to nothing to resolve; what there is costs a second each.
    assert deadlocks is not None
    assert deadlocks <= 3


async def test_a_notice_with_an_older_number_that_commits_later_is_not_lost(
    stores: tuple[SqlStore, SqlStore],
) -> None:
    """Process A takes number 1, B takes 2 and commits, a worker claims 2, then A commits: the key must stay dirty."""
    slow, quick = stores
    inside, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    @event.listens_for(slow._database.writer, "before_cursor_execute")
    def wait(_: object, __: object, statement: str, *___: object) -> None:
        if "insert into mark" in statement:
            loop.call_soon_threadsafe(inside.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()

    late = asyncio.create_task(slow.accept([notice(1)]))
    await inside.wait()
    (number,) = await quick.accept([notice(1)])
    hold = await quick.take_lane(LANE, "worker", 60)
    assert hold is not None
    (claimed,) = await quick.due(LANE, NOW, 10)
    assert claimed.want == number
    go_on.set()
    (older,) = await late
    assert older is not None
    assert number is not None
    assert older < number

    assert await quick.settle(hold, Settlement(done=[Done(key=key(1), want=claimed.want)]))

    (still,) = await quick.due(LANE, NOW, 10)
    assert still.want > number
    assert await quick.accept([notice(2)]) != [still.want]


async def test_a_lane_cannot_be_taken_while_its_owner_settles(stores: tuple[SqlStore, SqlStore]) -> None:
    owner, other = stores
    hold = await owner.take_lane(LANE, "owner", 0)  # already over: anybody may take it
    assert hold is not None
    inside, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    @event.listens_for(owner._database.writer, "before_cursor_execute")
    def wait(_: object, __: object, statement: str, *___: object) -> None:
        if "insert into tombstone" in statement:
            loop.call_soon_threadsafe(inside.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()

    settling = asyncio.create_task(owner.settle(hold, Settlement(tombstones=[(key(1), None)])))
    await inside.wait()
    taking = asyncio.create_task(other.take_lane(LANE, "other", 60))
    done, _ = await asyncio.wait([taking], timeout=0.2)
    assert not done
    go_on.set()
    assert await settling
    taken = await taking
    assert taken is not None
    assert taken.epoch > hold.epoch
    assert not await owner.settle(hold, Settlement())


async def test_an_idle_lane_is_rung_and_a_busy_or_paused_one_is_not(stores: tuple[SqlStore, SqlStore]) -> None:
    door, worker = stores
    heard: asyncio.Queue[LaneName] = asyncio.Queue()
    listening = asyncio.create_task(worker.listen(heard.put_nowait))
    while not heard.qsize():  # until the listener is there
        await door.accept([notice("hello", lane=LaneName("hello"))])
        await asyncio.sleep(0.01)
    assert worker.rings

    busy, paused, idle = LaneName("busy"), LaneName("paused"), LaneName("idle")
    assert await worker.take_lane(busy, "me", 60) is not None
    await door.pause_lane(paused, SystemClock().now().replace(year=2099), "a while")
    await door.accept([notice(n, lane=lane) for n, lane in enumerate((busy, paused, idle, idle))])
    await door.accept([notice(9, lane=LaneName("last"))])

    rung = []
    while (lane := await heard.get()) != "last":
        rung.append(lane)
    assert [lane for lane in rung if lane != "hello"] == [idle]
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_the_listener_comes_back_after_its_connection_broke(stores: tuple[SqlStore, SqlStore]) -> None:
    door, worker = stores
    heard: asyncio.Queue[LaneName] = asyncio.Queue()
    worker._clock = ImpatientClock()
    listening = asyncio.create_task(worker.listen(heard.put_nowait))

    async def ring_until_heard() -> None:
        before = heard.qsize()
        while heard.qsize() == before:
            await door.accept([notice(1)])
            await asyncio.sleep(0.01)

    await ring_until_heard()
    await door._executor.read("kill", kill_listeners)
    while heard.qsize():
        heard.get_nowait()
    await ring_until_heard()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


class ImpatientClock(SystemClock):
    """Waits as little as possible."""

    async def sleep(self, wait_s: float) -> None:
        await asyncio.sleep(min(wait_s, 0.01))


def kill_listeners(session: Session) -> None:
    session.script(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and starts_with(query, 'listen')"
    )


def kill_everybody(session: Session) -> None:
    session.script(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )


async def test_a_broken_connection_is_replaced_without_anybody_noticing(stores: tuple[SqlStore, SqlStore]) -> None:
    first, second = stores
    await first.accept([notice(1)])
    await first.marks()
    await second._executor.read("kill", kill_everybody)
    await first.accept([notice(2)])
    await second._executor.read("kill", kill_everybody)
    assert names(await first.marks()) == ["1", "2"]


async def test_a_deadlock_is_resolved_by_doing_one_side_again(stores: tuple[SqlStore, SqlStore]) -> None:
    first, second = stores
    await first.accept([notice(1), notice(2)])
    met = [asyncio.Event(), asyncio.Event()]
    loop = asyncio.get_running_loop()
    tries = [0, 0]

    def cross(me: int, items: list[Acceptance]) -> object:
        def unit(session: Session) -> None:
            tries[me] += 1
            journal.accept(session, items[:1])
            if tries[me] == 1:
                loop.call_soon_threadsafe(met[me].set)
                asyncio.run_coroutine_threadsafe(met[1 - me].wait(), loop).result()
            journal.accept(session, items[1:])

        return unit

    there, back = [notice(1), notice(2)], [notice(2), notice(1)]
    await asyncio.gather(
        first._executor.write("cross", cross(0, there)),  # type: ignore[arg-type]
        second._executor.write("cross", cross(1, back)),  # type: ignore[arg-type]
    )
    assert sorted(tries) == [1, 2]
    assert len(await first.journal_tail()) == 6


async def test_lease_times_are_the_databases(stores: tuple[SqlStore, SqlStore], empty_postgres_url: str) -> None:
    first, second = stores
    second._clock = ImpatientClock()
    assert await first.take_lane(LANE, "me", 60) is not None
    assert await second.take_lane(LANE, "you", 60) is None
    with psycopg.connect(empty_postgres_url, autocommit=True) as connection:
        row = connection.execute(
            "select lease_until - extract(epoch from clock_timestamp()) * 1000000 from storeweave.lane"
        ).fetchone()
    assert row is not None
    assert 0 < row[0] <= 60_000_000
    assert await second.lanes_due(later(days=-999)) == []
