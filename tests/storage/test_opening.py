"""Opening a database: tables brought up to date, one serving process, mistakes refused in plain words."""

import asyncio
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, inspect

from storeweave.model.errors import ConfigError
from storeweave.storage import Inline, SqlStore, migrations, open_store, schema
from storeweave.storage.connections import Database, connect
from tests.storage.samples import LANE, NOW, notice

OPEN_AND_WAIT = """
import asyncio, sys
from storeweave.storage import open_store
async def main():
    store = open_store(sys.argv[1], exclusive=True)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await store.close()
asyncio.run(main())
"""


async def test_a_new_database_gets_its_tables_and_an_old_one_keeps_its_rows(kept_url: str) -> None:
    for round_ in range(3):
        store = open_store(kept_url)
        assert len(await store.marks()) == round_
        await store.accept([notice(round_)])
        await store.close()


async def test_several_may_start_at_once(kept_url: str) -> None:
    stores = await asyncio.gather(*(asyncio.to_thread(open_store, kept_url) for _ in range(4)))
    for number, store in enumerate(stores):
        await store.accept([notice(number)])
    assert len(await stores[0].marks()) == 4
    for store in stores:
        await store.close()


def test_the_steps_lead_to_the_tables_that_statements_are_written_against(url: str) -> None:
    database = connect(url)
    try:
        migrations.upgrade(database.writer, database.schema)
        with database.writer.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            differences = compare_metadata(context, schema.metadata)
            if database.dialect == "sqlite":  # which has no sequences, and says NOT NULL of integer keys otherwise
                differences = [d for d in differences if "journal_number" not in str(d)]
            assert differences == []
            checks = {
                table.name: {c["name"] for c in inspect(connection).get_check_constraints(table.name)}
                for table in schema.metadata.sorted_tables
            }
        declared = {
            table.name: {c.name for c in table.constraints if isinstance(c, CheckConstraint)}
            for table in schema.metadata.sorted_tables
        }
        assert declared == checks
    finally:
        database.dispose()


def test_a_database_of_a_newer_version_is_refused(kept_url: str) -> None:
    database = connect(kept_url)
    migrations.upgrade(database.writer, database.schema)
    with database.writer.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    database.dispose()
    with pytest.raises(ConfigError, match="newer version"):
        open_store(kept_url)


async def test_a_second_process_that_would_serve_the_same_file_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OPEN_AND_WAIT, url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        assert await child.stdout.readline() == b"open\n"
        with pytest.raises(ConfigError, match=rf"another storeweave \(process {child.pid}\) serves this database"):
            open_store(url, exclusive=True)

        beside = open_store(url)  # a program that looks, or writes a little
        assert not beside.exclusive
        await beside.accept([notice(1)])
        assert len(await beside.marks()) == 1
        await beside.close()
    finally:
        child.kill()
        await child.communicate()

    alone = open_store(url, exclusive=True)
    assert alone.exclusive
    assert len(await alone.due(LANE, NOW, 10)) == 1
    await alone.close()


def test_the_lock_is_given_back_on_close_and_when_opening_fails(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    asyncio.run(open_store(url, exclusive=True).close())
    for file in tmp_path.glob("store.db*"):
        file.unlink()
    (tmp_path / "store.db").write_bytes(b"not a database, but long enough to be mistaken for one" * 100)
    with pytest.raises(ConfigError, match="not a database"):
        open_store(url, exclusive=True)
    (tmp_path / "store.db").unlink()
    asyncio.run(open_store(url, exclusive=True).close())


async def test_a_database_in_memory_is_ours_alone() -> None:
    store = open_store("sqlite://", executor=Inline())
    assert store.exclusive
    await store.close()


@pytest.mark.postgres
async def test_postgresql_gives_no_proof_of_being_alone(empty_postgres_url: str) -> None:
    store = open_store(empty_postgres_url, exclusive=True)
    assert not store.exclusive
    await store.close()


@pytest.mark.postgres
async def test_several_hubs_share_one_postgresql_in_schemas_of_their_own(empty_postgres_url: str) -> None:
    first, second = open_store(empty_postgres_url, schema="first"), open_store(empty_postgres_url, schema="second")
    await first.accept([notice(1)])
    assert await second.marks() == []
    await first.close()
    await second.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "is no URL"),
        ("mysql://localhost/x", "mysql is not supported"),
        ("sqlite:///no/such/folder/x.db", "there is no folder"),
    ],
)
def test_a_url_that_cannot_work_is_refused_in_plain_words(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        open_store(url)


def test_a_schema_that_would_need_quoting_is_refused() -> None:
    with pytest.raises(ConfigError, match="use small letters"):
        open_store("postgresql://localhost/x", schema="a; drop")


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    for executor in (None, Inline()):
        store = open_store(f"sqlite:///{tmp_path / 'store.db'}", executor=executor)
        await store.close()
        with pytest.raises(RuntimeError, match="closed"):
            await store.marks()
        with pytest.raises(RuntimeError, match="closed"):
            await store.accept([notice(1)])


def _settings(database: Database, name: str) -> object:
    connection = database.writer.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(f"pragma {name}")
        (value,) = cursor.fetchone() or (None,)
        cursor.close()
        return value
    finally:
        connection.close()


def test_a_sqlite_file_is_set_up_for_durability(tmp_path: Path) -> None:
    database = connect(f"sqlite:///{tmp_path / 'store.db'}", exclusive=True)
    try:
        assert _settings(database, "journal_mode") == "wal"
        assert _settings(database, "synchronous") == 2  # full
        assert _settings(database, "secure_delete") == 1
        assert _settings(database, "wal_autocheckpoint") == 1000
    finally:
        database.dispose()


def test_only_the_serving_process_checkpoints(tmp_path: Path) -> None:
    database = connect(f"sqlite:///{tmp_path / 'store.db'}")
    try:
        assert _settings(database, "wal_autocheckpoint") == 0
    finally:
        database.dispose()


async def test_the_store_is_all_that_the_port_asks_for() -> None:
    from storeweave.ports.store import Store

    store: Store = open_store("sqlite://", executor=Inline())
    assert isinstance(store, SqlStore)
    await store.close()
