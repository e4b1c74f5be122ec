"""What is no longer kept goes, what a mark still wants stays, and nothing of what went is left in the files."""

import asyncio
import random
from pathlib import Path

import pytest

from storeweave.model.state import Done, Settlement
from storeweave.storage import SqlStore, open_store
from storeweave.storage.connections import Database
from tests.storage.samples import FLOW, LANE, NOW, Bench, key, later, line, notice


async def purge(store: SqlStore, hours: float, *, batch: int = 7) -> dict[str, int]:
    at = later(hours=hours)
    return dict(await store.purge(journal_before=at, history_before=at, tombstones_before=at, batch=batch))


async def work_off_everything(store: SqlStore) -> None:
    hold = await store.take_lane(LANE, "me", 60)
    assert hold is not None
    done = [Done(key=mark.key, want=mark.want) for mark in await store.due(LANE, later(days=9), 10**6)]
    assert await store.settle(hold, Settlement(done=done))
    await store.release_lane(hold)


async def test_old_notices_go_in_batches_and_newer_ones_stay(bench: Bench) -> None:
    await bench.store.accept([notice(n, at=later(hours=n), due_at=NOW) for n in range(40)])
    await work_off_everything(bench.store)
    assert (await purge(bench.store, 25))["journal"] == 25
    assert len(await bench.store.journal_tail(limit=100)) == 15
    assert (await purge(bench.store, 25))["journal"] == 0


async def test_a_notice_stays_as_long_as_a_mark_wants_it(bench: Bench) -> None:
    await bench.store.accept([notice(n) for n in range(20)])
    await work_off_everything(bench.store)
    await bench.store.accept([notice(3), notice(3), notice(4)])
    assert (await purge(bench.store, 1))["journal"] == 18
    assert {row["key"] for row in await bench.store.journal_tail()} == {"3", "4"}
    assert len(await bench.store.journal_tail(key=key(3))) == 3
    await work_off_everything(bench.store)
    assert (await purge(bench.store, 1))["journal"] == 5


async def test_numbers_never_repeat_even_when_the_journal_is_empty(bench: Bench) -> None:
    before = await bench.store.accept([notice(n) for n in range(3)])
    await work_off_everything(bench.store)
    assert (await purge(bench.store, 1))["journal"] == 3
    (after,) = await bench.store.accept([notice(1)])
    assert after is not None
    assert all(number is not None and after > number for number in before)


async def test_notices_of_a_clock_that_was_behind_do_not_stop_the_walk(bench: Bench) -> None:
    hours = [0, 0, 5, 0, 0, 0, 5, 0, 0, 5, 0, 5]
    await bench.store.accept([notice(n, at=later(hours=hour), due_at=NOW) for n, hour in enumerate(hours)])
    await work_off_everything(bench.store)
    assert (await purge(bench.store, 1, batch=3))["journal"] == 8


async def test_history_conflicts_tombstones_and_counts_have_their_time(bench: Bench) -> None:
    await bench.store.put_bases(
        Settlement(
            history=[line(n, at=later(hours=n)) for n in range(20)],
            tombstones=[(key(n), None) for n in range(20)],
        )
    )
    await bench.store.note_ops(FLOW, "price", [key(n) for n in range(10)], NOW)
    await bench.store.note_ops(FLOW, "price", [key(n) for n in range(3)], later(hours=30))
    gone = await purge(bench.store, 12)
    assert gone == {"journal": 0, "history": 12, "conflict": 0, "tombstone": 20, "guard_op": 7}
    assert len(await bench.store.history()) == 8


def files_with(folder: Path, needle: bytes) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if needle in file.read_bytes())


def test_no_content_that_was_purged_is_left_in_the_files(tmp_path: Path) -> None:
    asyncio.run(keep_and_purge(tmp_path))
    assert files_with(tmp_path, b"purged content") == []
    assert files_with(tmp_path, b"kept content") == ["store.db"]


def test_compacting_removes_the_last_trace_of_ids(tmp_path: Path) -> None:
    asyncio.run(keep_and_purge(tmp_path, compact=True))
    assert files_with(tmp_path, b"purged") == []
    assert files_with(tmp_path, b"kept content") == ["store.db"]
    assert files_with(tmp_path, b"-kept-") == ["store.db"]


async def keep_and_purge(folder: Path, *, compact: bool = False) -> None:
    """Things of many sizes in random order, purged in several rounds while new ones come in."""
    rng = random.Random(5)
    store = open_store(f"sqlite:///{folder / 'store.db'}", exclusive=True)
    for at in range(6):
        word = "purged" if at < 4 else "kept"
        names = [f"{rng.randrange(10**6)}-{word}-{'x' * rng.randint(0, 400)}" for _ in range(400)]
        content = f"{word} content of Erika Mustermann"
        await store.accept([notice(n, at=later(hours=at), due_at=NOW, topic=content, delivery_id=n) for n in names])
        await store.put_bases(Settlement(history=[line(n, at=later(hours=at), op=content) for n in names]))
        await work_off_everything(store)
        if at > 2:
            assert files_with(folder, b"purged content")
            await purge(store, at - 1.5, batch=100)
    assert len(await store.history(limit=10**4)) == 800
    if compact:
        await store.compact()
    await store.close()


@pytest.mark.postgres
async def test_postgresql_can_be_compacted_too(empty_postgres_url: str) -> None:
    store = open_store(empty_postgres_url)
    await store.put_value("a", "1")
    await store.compact()
    assert await store.get_value("a") == "1"
    await store.close()


async def test_a_program_beside_the_serving_one_leaves_the_log_to_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    serving = open_store(url, exclusive=True)
    beside = open_store(url)
    await beside.put_value("a", "1")
    wal = tmp_path / "store.db-wal"
    assert file_size(wal) > 0
    await purge(beside, 1)
    assert file_size(wal) > 0
    await purge(serving, 1)
    assert file_size(wal) == 0
    await serving.close()
    await beside.put_value("a", "2")
    await purge(beside, 1)  # nobody serves: then it is ours to do
    assert file_size(wal) == 0
    await beside.close()


def file_size(path: Path) -> int:
    return path.stat().st_size


async def test_a_reader_that_never_ends_is_reported(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", exclusive=True)
    await store.put_value("a", "1")
    database: Database = store._database
    assert database.reader is not None
    with database.reader.connect() as reader:
        reader.exec_driver_sql("begin")
        reader.exec_driver_sql("select * from value").fetchall()
        await store.put_value("a", "2")
        await store._executor.outside(shorten_patience)
        with pytest.raises(Exception, match="a reader holds on to it"):
            await purge(store, 1)
        reader.exec_driver_sql("rollback")
    await purge(store, 1)
    await store.close()


def shorten_patience(database: Database) -> None:
    connection = database.writer.raw_connection()
    connection.cursor().execute("pragma busy_timeout = 1")
    connection.close()
