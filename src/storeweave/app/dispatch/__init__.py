"""Which dispatcher a database needs, and the one line that ties it to a hub.

dispatcher = dispatcher_for(url, store, clock)
hub = Hub(..., store=store, clock=clock, ring_others=dispatcher.ring)
async with with_dispatcher(hub, dispatcher):
await hub.run()
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.engine import make_url

from storeweave.app.dispatch.local import LocalDispatcher
from storeweave.app.hub import Hub
from storeweave.model.errors import ConfigError
from storeweave.ports.clock import Clock
from storeweave.ports.dispatcher import Dispatcher, OnRing
from storeweave.ports.store import JournalStore

log = structlog.get_logger(__name__)


def dispatcher_for(url: str, store: JournalStore, clock: Clock) -> Dispatcher:
    """Procrastinate on PostgreSQL, nothing at all on SQLite, where one process has every lane.

    Raises ConfigError when the extra ``postgres`` is not installed.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        return LocalDispatcher()
    try:
        from storeweave.app.dispatch.procrastinate import ProcrastinateDispatcher
    except ImportError as error:
        raise ConfigError(
            f"database: {parsed.render_as_string()} needs the extra postgres: pip install 'storeweave[postgres]'"
        ) from error
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    return ProcrastinateDispatcher(plain, store.lanes_due, clock)


@asynccontextmanager
async def with_dispatcher(hub: Hub, dispatcher: Dispatcher, *, work: bool = True) -> AsyncIterator[None]:
    """Carry rings for the duration of the block, then close the dispatcher.

    ``work`` False: this process works no lanes (``hub.run(work=False)``), so it rings others and answers nobody.
    """
    task = asyncio.create_task(_carry(dispatcher, hub.lanes.ring if work else None), name="dispatcher")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await dispatcher.close()


async def _carry(dispatcher: Dispatcher, on_ring: OnRing | None) -> None:
    try:
        await dispatcher.run(on_ring)
    except Exception:
        # A doorbell that falls off its wall must not take the house down: lanes look for themselves.
        log.exception("doorbell.crashed")
