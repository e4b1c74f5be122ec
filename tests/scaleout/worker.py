"""One worker process: what ``serve --role worker`` is, with the shops of these tests.

``python -m tests.scaleout.worker '{"url": ..., "port": ..., ...}'`` prints ``ready`` when its lanes run, works until
SIGTERM, and then ends cleanly.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import msgspec
import structlog

from storeweave.app.dispatch import dispatcher_for, with_dispatcher
from storeweave.app.dispatch.local import LocalDispatcher
from storeweave.app.hub import Hub, HubOptions
from storeweave.engine.safety import SafetyRules
from storeweave.ports.clock import SystemClock
from storeweave.ports.dispatcher import Dispatcher
from storeweave.storage.store import SqlStore, open_store
from tests.scaleout.remote import connectors, flows


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told."""

    url: str
    port: int
    destinations: int
    holder: str
    lease_s: float
    has_doorbell: bool = True
    ticks: bool = False
    unsafe: tuple[str, ...] = ()  # safety rules that are switched off, to prove that a test can tell


@dataclass(frozen=True)
class Process:
    """A hub with what it stands on."""

    store: SqlStore
    dispatcher: Dispatcher
    hub: Hub


def made(order: Order) -> Process:
    clock = SystemClock()
    store = open_store(order.url, clock=clock)
    dispatcher = dispatcher_for(order.url, store, clock) if order.has_doorbell else LocalDispatcher()
    hub = Hub(
        store=store,
        connectors=connectors(order.port, order.destinations, order.holder),
        flows=flows(order.destinations),
        clock=clock,
        rng=Random(order.holder),
        options=HubOptions(holder=order.holder, lease_s=order.lease_s),
        safety=SafetyRules(**dict.fromkeys(order.unsafe, False)),
        ring_others=dispatcher.ring,
    )
    return Process(store, dispatcher, hub)


async def main(order: Order) -> None:
    process = made(order)
    work = asyncio.current_task()
    assert work is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    try:
        async with with_dispatcher(process.hub, process.dispatcher):
            print("ready", flush=True)
            with suppress(asyncio.CancelledError):
                await process.hub.run(ticking=order.ticks)
    finally:
        await process.store.close()


if __name__ == "__main__":
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Order)))
