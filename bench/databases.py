"""Empty databases to measure on: a SQLite file on disk and in memory, and one on PostgreSQL where there is a server.

On a slow disk one commit per event costs so much that the comparison flatters whoever commits in groups; the file in
memory, where a sync costs nothing, shows what the programs themselves cost.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from bench.gauges import postgres_server

DISK, MEMORY, SERVER = "SQLite", "SQLite, no disk", "PostgreSQL"
SHARED_MEMORY = Path("/dev/shm")


def kinds() -> list[str]:
    """What there is on this machine."""
    there = {DISK: True, MEMORY: SHARED_MEMORY.is_dir(), SERVER: postgres_server() is not None}
    return [kind for kind, is_there in there.items() if is_there]


@contextmanager
def fresh(kind: str) -> Iterator[str]:
    """The URL of an empty database that is gone after the block."""
    with _postgresql() if kind == SERVER else _sqlite(SHARED_MEMORY if kind == MEMORY else None) as url:
        yield url


@contextmanager
def _sqlite(within: Path | None) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="storeweave-bench-", dir=within) as folder:
        yield f"sqlite:///{Path(folder) / 'hub.db'}"


@contextmanager
def _postgresql() -> Iterator[str]:
    server = postgres_server()
    if server is None:
        raise LookupError("there is no PostgreSQL where databases can be made: set STOREWEAVE_POSTGRES_URL")
    name = f"storeweave_bench_{secrets.token_hex(6)}"
    known = conninfo_to_dict(server)
    login = str(known.get("user", ""))
    if known.get("password"):
        login += f":{known['password']}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            at = f"{login}@" if login else ""
            yield f"postgresql://{at}{known.get('host', '127.0.0.1')}:{known.get('port', 5432)}/{name}"
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
