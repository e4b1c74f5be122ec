"""The database of a crash run: a SQLite file in its folder, or a PostgreSQL database of its own, dropped again."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

LOCAL_SERVER = "postgresql://postgres@127.0.0.1:5432/postgres"


@contextmanager
def database(sort: str, folder: Path) -> Iterator[str]:
    """The URL of an empty one. ``sort``: sqlite, or postgres (on STOREWEAVE_POSTGRES_URL or a local server)."""
    if sort == "sqlite":
        yield f"sqlite:///{folder / 'hub.db'}"
        return
    server = os.environ.get("STOREWEAVE_POSTGRES_URL", LOCAL_SERVER)
    name = f"storeweave_crash_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_url(server).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
