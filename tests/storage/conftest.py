"""The same tests on three databases: a SQLite file with group commit, SQLite in memory inline, PostgreSQL."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from storeweave.storage import Inline, WriterThread, open_store
from tests.storage.samples import Bench
from tests.virtual_clock import VirtualClock

DATABASES = ["file", "memory", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def _our_postgres_url(_postgres_server: str | None) -> Iterator[str | None]:
    """One database for all tests here: making one takes as long as ten of these tests."""
    if _postgres_server is None:
        yield None
        return
    name = sql.Identifier(f"storeweave_storage_{secrets.token_hex(6)}")
    with psycopg.connect(_postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(name))
        try:
            url = make_url(_postgres_server).set(database=name.as_string().strip('"'))
            yield url.render_as_string(hide_password=False)
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture
def empty_postgres_url(_our_postgres_url: str | None, request: pytest.FixtureRequest) -> str:
    """It, without anything in it."""
    if _our_postgres_url is None:
        return str(request.getfixturevalue("postgres_url"))  # which says what is missing
    with psycopg.connect(_our_postgres_url, autocommit=True) as connection:
        connection.execute("drop schema if exists storeweave cascade")
    return _our_postgres_url


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "file":
            return f"sqlite:///{tmp_path / 'store.db'}"
        case "memory":
            return "sqlite://"
        case _:
            return str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.postgres)])
def kept_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that outlives its store."""
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture
async def bench(url: str) -> AsyncIterator[Bench]:
    clock = VirtualClock()
    store = open_store(url, executor=Inline() if url == "sqlite://" else WriterThread(), clock=clock)
    yield Bench(store, clock, url)
    await store.close()
