"""The same tests on three databases: a SQLite file with group commit, SQLite in memory inline, PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storeweave.storage import Inline, WriterThread, open_store
from tests.storage.samples import Bench
from tests.virtual_clock import VirtualClock

DATABASES = ["file", "memory", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "file":
            return f"sqlite:///{tmp_path / 'store.db'}"
        case "memory":
            return "sqlite://"
        case _:
            return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.postgres)])
def kept_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that outlives its store."""
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def bench(url: str) -> AsyncIterator[Bench]:
    clock = VirtualClock()
    store = open_store(url, executor=Inline() if url == "sqlite://" else WriterThread(), clock=clock)
    yield Bench(store, clock, url)
    await store.close()
