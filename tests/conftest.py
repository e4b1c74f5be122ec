"""Fixtures that every test may ask for: a fresh PostgreSQL database, the folder of the vendors' contracts.

What is missing on a machine makes its tests skip and say so; with CI set, it makes them fail, so that nothing goes
unproved in silence.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
import structlog
from hypothesis import HealthCheck, settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

# Nothing here depends on how fast the machine is. CI tries the same examples each time, a person's run tries new ones.
settings.register_profile("home", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("ci", settings.get_profile("home"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")

ROOT = Path(__file__).resolve().parent.parent
LOCAL_SERVERS = ("postgresql://postgres@127.0.0.1:5432/postgres", "postgresql://127.0.0.1:5432/postgres")


def absent(what: str) -> NoReturn:
    """Skip for want of ``what``; fail where CI promises that it is there."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} (CI is set, so this is a failure)")
    pytest.skip(what)


def _find_server() -> str | None:
    """Return the URL of a server where this user may create databases."""
    given = os.environ.get("STOREWEAVE_POSTGRES_URL")
    for url in [given] if given else LOCAL_SERVERS:
        try:
            with psycopg.connect(url, connect_timeout=3) as connection:
                row = connection.execute(
                    "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
                ).fetchone()
        except psycopg.OperationalError:
            continue
        if row and row[0]:
            return url
    return None


@pytest.fixture(autouse=True)
def _logging_of_its_own() -> Iterator[None]:
    """A test that runs a command in this process sets up its logging; the next test starts without."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def _postgres_server() -> str | None:
    return _find_server()


@pytest.fixture
def postgres_url(_postgres_server: str | None) -> Iterator[str]:
    """The URL of an empty database of this test's own, dropped afterwards, whoever is still connected."""
    if _postgres_server is None:
        absent("no PostgreSQL that lets us create databases: set STOREWEAVE_POSTGRES_URL, or start one on 127.0.0.1")
    name = f"storeweave_test_{secrets.token_hex(6)}"
    with psycopg.connect(_postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield _with_database(_postgres_server, name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _with_database(url: str, name: str) -> str:
    """Return the same server's URL with another database."""
    known = conninfo_to_dict(url)
    user = str(known.get("user", ""))
    password = f":{known['password']}" if known.get("password") else ""
    host = str(known.get("host", "127.0.0.1"))
    at = f"{user}{password}@" if user else ""
    return f"postgresql://{at}{host}:{known.get('port', 5432)}/{name}"


@pytest.fixture(scope="session")
def specs_dir() -> Path:
    """The folder of the vendors' machine-readable contracts, which are not ours to copy into the repository."""
    folder = Path(os.environ.get("STOREWEAVE_SPECS", ROOT.parent / "shared" / "specs"))
    if not folder.is_dir():
        absent(f"no vendors' contracts at {folder}: set STOREWEAVE_SPECS")
    return folder
