"""Many callers share a commit, nobody hears "stored" before it is, and nobody spoils it for the others."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from storeweave.model.errors import RefusedError, TransientError
from storeweave.model.kinds import Kind
from storeweave.model.state import Settlement
from storeweave.storage import Inline, SqlStore, WriterThread, open_store
from storeweave.storage.connections import Database
from storeweave.storage.session import Session
from storeweave.storage.statements import Statement
from tests.storage.samples import FLOW, LANE, NOW, base_update, key, names, notice

ACKNOWLEDGE = """
import asyncio, sys
from storeweave.storage import open_store
from tests.storage.samples import notice
async def main():
    store = open_store(sys.argv[1])
    async def deliver(worker):
        for n in range(10**9):
            name = f"{worker}-{n}"
            await store.accept([notice(name, delivery_id=name)])
            sys.stdout.write(name + "\\n")
            sys.stdout.flush()
    await asyncio.gather(*(deliver(w) for w in range(16)))
asyncio.run(main())
"""


def count_commits(store: SqlStore) -> Callable[[], int]:
    commits = 0

    @event.listens_for(store._database.writer, "commit")
    def committed(_: object) -> None:
        nonlocal commits
        commits += 1

    return lambda: commits


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


async def test_callers_who_wait_together_share_a_commit(kept_url: str) -> None:
    store = open_store(kept_url)
    commits = count_commits(store)
    numbers = await asyncio.gather(*(store.accept([notice(n)]) for n in range(500)))
    assert len({number for (number,) in numbers}) == 500
    assert commits() < 50
    await store.close()


async def test_an_acknowledged_write_is_seen_by_the_next_read(kept_url: str) -> None:
    store = open_store(kept_url)

    async def write_and_look(n: int) -> None:
        await store.put_value(f"v{n}", str(n))
        assert await store.get_value(f"v{n}") == str(n)

    await asyncio.gather(*(write_and_look(n) for n in range(50)))
    await store.close()


async def test_one_who_fails_does_not_spoil_the_others(kept_url: str) -> None:
    store = open_store(kept_url)
    await store.put_bases(Settlement(bases=[base_update("owner", "taken")]))
    results = await asyncio.gather(
        store.accept([notice(1)]),
        store.put_bases(Settlement(bases=[base_update("thief", "taken")])),
        store.put_value("a", "1"),
        store.accept([notice(2)]),
        store.put_bases(Settlement(bases=[base_update("honest")])),
        return_exceptions=True,
    )
    assert [type(result) for result in results if isinstance(result, BaseException)] == [RefusedError]
    assert names(await store.marks()) == ["1", "2"]
    assert await store.get_value("a") == "1"
    assert set(await store.links(FLOW, Kind.PRODUCT, [key("honest").key, key("thief").key])) == {"honest"}
    await store.close()


async def test_a_poisoned_notice_fails_alone(kept_url: str) -> None:
    store = open_store(kept_url)
    poison = notice("half a character \ud800")
    results = await asyncio.gather(
        *(store.accept([item]) for item in (notice(1), poison, notice(2))), return_exceptions=True
    )
    assert [isinstance(result, BaseException) for result in results] == [False, True, False]
    assert names(await store.marks()) == ["1", "2"]
    await store.close()


async def test_a_caller_who_goes_away_disturbs_nobody(file_url: str) -> None:
    store = open_store(file_url)
    tasks = [asyncio.create_task(store.accept([notice(n)])) for n in range(20)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [n for n, result in enumerate(results) if isinstance(result, BaseException)] == [3]
    await store.close()


async def test_closing_finishes_what_was_asked_for(file_url: str) -> None:
    store = open_store(file_url)
    tasks = [asyncio.create_task(store.accept([notice(n)])) for n in range(100)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*tasks)
    store = open_store(file_url)
    assert len(await store.due(LANE, NOW, 1000)) == 100
    await store.close()


async def test_a_database_that_cannot_be_used_now_is_a_transient_error(file_url: str) -> None:
    store = open_store(file_url)

    def fill_the_disk(session: Session) -> None:
        session.script("pragma max_page_count = 1")  # SQLite never goes below what is used
        session.run(
            Statement(
                "insert into value (name, value) select 'x' || seq, hex(zeroblob(1000000)) from {rows}", rows="seq int"
            ),
            [(n,) for n in range(100)],
        )

    with pytest.raises(TransientError, match="full"):
        await store._executor.write("full", fill_the_disk)
    assert await store.get_value("x1") is None
    await store.close()


async def test_a_reader_cannot_write(file_url: str) -> None:
    store = open_store(file_url)
    with pytest.raises(TransientError, match="readonly"):
        await store._executor.read("wrong", lambda session: session.run(Statement("delete from value")))
    await store.close()


async def test_in_memory_the_writer_reads_too() -> None:
    store = open_store("sqlite://", executor=WriterThread())
    await asyncio.gather(*(store.accept([notice(n)]) for n in range(50)))
    assert len(await store.due(LANE, NOW, 100)) == 50
    await store.close()


def test_a_store_serves_several_event_loops(file_url: str) -> None:
    store = open_store(file_url)
    for n in range(3):
        asyncio.run(store_one(store, n))
    asyncio.run(store.close())


async def store_one(store: SqlStore, n: int) -> None:
    await store.accept([notice(n)])
    assert len(await store.marks()) == n + 1


def test_whatever_was_acknowledged_survives_kill_9(kept_url: str) -> None:
    root = Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, "-c", ACKNOWLEDGE, kept_url], stdout=subprocess.PIPE, text=True, cwd=root)
    assert child.stdout is not None
    acknowledged = [child.stdout.readline().strip() for _ in range(300)]
    child.kill()
    rest, _ = child.communicate()
    acknowledged += [line for line in rest.splitlines(keepends=False) if line]
    if not rest.endswith("\n"):
        acknowledged.pop()  # killed in the middle of the word
    asyncio.run(find_all(kept_url, acknowledged))


async def find_all(url: str, acknowledged: list[str]) -> None:
    store = open_store(url)
    kept = {row["delivery_id"] for row in await store.journal_tail(limit=10**6)}
    marked = set(names(await store.due(LANE, NOW, 10**6)))
    await store.close()
    assert len(acknowledged) >= 299
    assert set(acknowledged) - kept == set()
    assert set(acknowledged) - marked == set()


class PowerCut(BaseException):
    """The process is gone."""


async def test_a_crash_before_the_commit_leaves_nothing_and_after_it_everything(file_url: str) -> None:
    seen: list[str] = []

    def cut(name: str) -> None:
        seen.append(name)
        raise PowerCut

    executor = Inline(before_commit=cut)
    store = open_store(file_url, executor=executor)
    with pytest.raises(PowerCut):
        await store.accept([notice(1)])
    executor.before_commit = lambda _: None
    assert await store.marks() == []
    executor.after_commit = cut
    with pytest.raises(PowerCut):
        await store.accept([notice(2)])
    executor.after_commit = lambda _: None
    assert names(await store.marks()) == ["2"]
    assert seen == ["journal.accept", "journal.accept"]
    await store.close()


async def test_work_outside_of_transactions_that_fails_tells_its_caller(file_url: str) -> None:
    store = open_store(file_url)

    def fail(_: Database) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store._executor.outside(fail)
    await store.put_value("a", "1")
    await store.close()


async def test_a_program_beside_the_serving_one_gets_its_turn(file_url: str) -> None:
    serving = open_store(file_url, exclusive=True)
    beside = open_store(file_url)
    busy = True

    async def flood(worker: int) -> None:
        n = 0
        while busy:
            await serving.accept([notice(f"{worker}-{n}")])
            n += 1

    floods = [asyncio.create_task(flood(worker)) for worker in range(8)]
    for n in range(20):
        await beside.put_value(f"v{n}", "1")
        assert await serving.get_value(f"v{n}") == "1"
    busy = False
    await asyncio.gather(*floods)
    await beside.close()
    await serving.close()
