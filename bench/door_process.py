"""The program that the door is measured on, as a server: our door, or the barest one that commits each event.

``python -m bench.door_process '{"app": "ours", ...}'`` prints its port. Both run on the same uvicorn settings. Ours is
the door with signature check, journal and marks, as ``storeweave serve --role door`` has it. The bare app does nothing
but read the body, insert it into a table with one index, commit, and answer 200.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import msgspec
import structlog
import uvicorn
from psycopg_pool import AsyncConnectionPool

from bench.stage import CLOCK, FLOW, A, B, bigcommerce
from storeweave.app.hub import Hub
from storeweave.intake.door import ASGIApp, Door, Gate, Receive, Scope, Send
from storeweave.storage.store import open_store
from storeweave.twinkit.inprocess import InProcessTransport
from storeweave.twinkit.serving import bind

SECRET = "path-secret"
POOL = 16
"""Connections of the bare app to PostgreSQL."""
_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
_BODY = {"type": "http.response.body", "body": b""}


class DoorOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Which app (``ours`` or ``bare``), and its empty database."""

    app: str
    database: str


Keep = Callable[[bytes], Awaitable[None]]


@asynccontextmanager
async def ours(database: str) -> AsyncIterator[ASGIApp]:
    """The door of a hub that only takes notices in."""
    store = open_store(database, clock=CLOCK)
    nowhere = InProcessTransport([], clock=CLOCK)
    connectors = {name: bigcommerce(name, "https://nowhere.test", nowhere) for name in (A, B)}
    hub = Hub(store=store, connectors=connectors, flows=[FLOW], clock=CLOCK, rng=Random(1))
    yield Door({str(A): Gate((SECRET.encode(),), connectors[A])}, hub.journal.accept, CLOCK)
    await store.close()


@asynccontextmanager
async def bare(database: str) -> AsyncIterator[ASGIApp]:
    """One insert and one commit per event."""
    keeping = _in_sqlite(database) if database.startswith("sqlite") else _in_postgresql(database)
    async with keeping as keep:

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            del scope
            parts = []
            while True:
                message = await receive()
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    break
            await keep(b"".join(parts))
            await send(_START)
            await send(_BODY)

        yield app


@asynccontextmanager
async def _in_sqlite(database: str) -> AsyncIterator[Keep]:
    connection = sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("create table event (id integer primary key, body blob not null)")

    async def keep(body: bytes) -> None:
        connection.execute("insert into event (body) values (?)", (body,))

    yield keep
    connection.close()


@asynccontextmanager
async def _in_postgresql(database: str) -> AsyncIterator[Keep]:
    async with AsyncConnectionPool(database, min_size=POOL, max_size=POOL, kwargs={"autocommit": True}) as pool:
        async with pool.connection() as connection:
            await connection.execute("create table event (id bigserial primary key, body bytea not null)")

        async def keep(body: bytes) -> None:
            async with pool.connection() as connection:
                await connection.execute("insert into event (body) values (%s)", (body,))

        yield keep


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
            )
        )
        self._port = listener.getsockname()[1]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        print(self._port, flush=True)


async def main(order: DoorOrder) -> None:
    """Serve until told to stop."""
    listener = bind("127.0.0.1", 0)
    async with (ours if order.app == "ours" else bare)(order.database) as app:
        await _Server(app, listener).serve(sockets=[listener])


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=DoorOrder)))
