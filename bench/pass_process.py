"""One hub process that makes one pass, and says what it cost: ``python -m bench.pass_process '{"database": ...}'``.

A process of its own, so that its memory and processor time are the hub's and nobody else's.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from random import Random

import msgspec
import structlog

from bench.gauges import peak_mb, resident_mb
from bench.stage import CLOCK, FLOW, A, B, bigcommerce
from storeweave.access.address_guard import AddressGuard
from storeweave.app.hub import Hub, HubOptions
from storeweave.app.transport import HttpTransport
from storeweave.storage.store import SqlStore, open_store

SOON = timedelta(minutes=1)
"""What is not due for longer is parked."""


class PassOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told. ``both``: the destination's listing is compared, too."""

    database: str
    a_url: str
    b_url: str
    both: bool = False


class PassResult(msgspec.Struct, frozen=True, kw_only=True):
    """What it hands back. ``listed_s`` is the time until the listings had been compared."""

    listed_s: float
    took_s: float
    cpu_s: float
    start_mb: float
    peak_mb: float
    parked: int
    records: Mapping[str, int]  # listed, by kind


async def main(order: PassOrder) -> PassResult:
    """The pass, from an open database to nothing left to do."""
    transport = HttpTransport(AddressGuard(_nothing_found, allow_loopback=True))
    store = open_store(order.database, clock=CLOCK, exclusive=True)
    connectors = {A: bigcommerce(A, order.a_url, transport), B: bigcommerce(B, order.b_url, transport)}
    hub = Hub(
        store=store,
        connectors=connectors,
        flows=[FLOW],
        clock=CLOCK,
        rng=Random(1),
        options=HubOptions(exclusive=True),
    )
    await hub.check_accounts()
    work = asyncio.create_task(hub.run(ticking=False))
    started, cpu, start_mb = time.perf_counter(), time.process_time(), resident_mb()
    run = await hub.full(FLOW, destination_too=order.both)
    listed = time.perf_counter()
    await _all_done(store)
    done = time.perf_counter()
    result = PassResult(
        listed_s=listed - started,
        took_s=done - started,
        cpu_s=time.process_time() - cpu,
        start_mb=start_mb,
        peak_mb=peak_mb(),
        parked=sum(cause.count for cause in await store.parked_causes()),
        records=await _listed(store, run),
    )
    work.cancel()
    await asyncio.wait([work])
    await store.close()
    await transport.close()
    return result


async def _all_done(store: SqlStore) -> None:
    """Until nothing is due any more. ``Hub.idle`` counts all that is open each time, which costs more the more is."""
    while (due_at := await store.next_due(FLOW.lane)) is not None and due_at < CLOCK.now() + SOON:
        await CLOCK.sleep(0.05)


async def _listed(store: SqlStore, run: int) -> dict[str, int]:
    row = await store.run(run)
    counts = row.counts if row is not None else {}
    return {kind: counts.get(f"{kind}.records", 0) for kind in FLOW.kinds}


async def _nothing_found(host: str, port: int) -> Sequence[str]:
    raise OSError(f"no names are looked up here, not even {host}:{port}")


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    print(msgspec.json.encode(asyncio.run(main(msgspec.json.decode(sys.argv[1], type=PassOrder)))).decode())
