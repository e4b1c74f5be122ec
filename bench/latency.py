"""(d) From a webhook to the destination written, and (e) from a kill -9 to the first write and to agreement.

The stores and the hub are processes of their own, with sockets between them: signed webhooks go through the door, and
the stores answer at once. A price counts as written when store B has it; the clock starts before the merchant of store
A is told to set it, so that the edit itself and our telling are part of the figure.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from bench import databases
from bench.gauges import middle, quantile
from bench.report import Must, Section, Table
from tests.crash.hub_process import HubOrder
from tests.crash.rig import CLOCK, Hub, Store, free_port, hub, stores, until
from tests.crash.twin_process import TwinOrder

PRODUCTS = 300
MOST_P50_S, MOST_P99_S, MOST_BACK_S = 0.3, 1.0, 5.0
CAUSES = 13  # webhooks that the hub orders
HOW_D = (
    "Two store processes that answer at once, the hub in a third; signed webhooks by HTTP through the door; prices "
    "changed by the merchant of store A. 'idle': one change, and the next one when it has arrived. The hub waits 50 ms "
    "for more notices of the same key before it begins; that is part of the figure."
)
HOW_E = (
    "The hub is killed with SIGKILL when the stores have acknowledged about half of a burst of price changes, and "
    "started again at once; start-up of the program included. 'agreement': the last write that makes the stores equal."
)


class LatencyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How much. ``kinds``: databases; None for all of this machine."""

    idle_changes: int
    busy_s: float
    busy_per_s: float = 50.0
    kinds: Sequence[str] | None = None


class RecoveryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How often and with how much in hand."""

    kills: int
    burst: int = 100


class Shops:
    """Two stores that agree, and a hub that keeps them so."""

    def __init__(self, a: Store, b: Store, it: Hub, prices: dict[str, Decimal]) -> None:
        self.a, self.b, self.hub = a, b, it
        self._prices = prices
        self._rng = Random(1)

    def some(self, count: int) -> list[str]:
        """SKUs, each once."""
        return self._rng.sample(sorted(self._prices), count)

    async def reprice(self, sku: str) -> None:
        """A new price at A, awaited at B."""
        self._prices[sku] += Decimal("0.01")
        price = self._prices[sku]
        await self.b.tell("expect", {sku: price})
        await self.a.deed("edit_product", sku=sku, price=price)

    async def arrived(self) -> None:
        """Until B has every price."""

        async def none_awaited() -> bool:
            return not (await self.b.ask("counts"))["awaited"]

        await until(none_awaited, "all prices at store B")

    async def times_s(self, since: float) -> list[float]:
        """How long each price set since then took."""
        return [float(p["met_at"]) - float(p["since"]) for p in await self._set_since(since)]

    async def written_at(self, since: float) -> list[float]:
        """When each price set since then was at B."""
        return [float(p["met_at"]) for p in await self._set_since(since)]

    async def _set_since(self, since: float) -> list[dict[str, Any]]:
        prices = (await self.b.ask("diary"))["prices"]
        return [p for p in prices if float(p["since"]) >= since]

    async def settled(self) -> None:
        """Until nobody has anything left to do."""

        async def done() -> bool:
            status, counts = await self.hub.status(), await self.a.ask("counts")
            busy = [status.get("dirty", 1), status.get("backing_off", 1), counts["undelivered"]]
            return bool(status.get("first_sync")) and counts["hooks"] >= CAUSES and not sum(busy)

        await until(done, "nothing left to do")


@asynccontextmanager
async def shops(database: str, *, products: int = PRODUCTS) -> AsyncIterator[Shops]:
    """Everything at work, the first load over."""
    with tempfile.TemporaryDirectory(prefix="storeweave-bench-") as name:
        folder = Path(name)
        source = TwinOrder(store_hash="a", products=products)
        destination = TwinOrder(store_hash="b", first_id=1_000_000)
        async with stores(source, destination, folder=folder) as (a, b):
            order = HubOrder(database=database, a_url=a.url, b_url=b.url, port=free_port(), request_timeout_s=5.0)
            async with hub(order, folder=folder) as it:
                dump = (await a.ask("state"))["products"]
                prices = {sku: Decimal(p["price"]) for sku, p in dump.items() if not sku.startswith("name:")}
                at_work = Shops(a, b, it, prices)
                await it.start()
                await it.ready()
                await at_work.settled()
                yield at_work


async def latency(plan: LatencyPlan) -> Section:
    """(d)."""
    rows, musts = [], []
    for kind in plan.kinds or [k for k in databases.kinds() if k != databases.MEMORY]:
        with databases.fresh(kind) as url:
            async with shops(url) as some:
                for name, times in (
                    ("idle", await _idle(some, plan.idle_changes)),
                    (f"{plan.busy_per_s:g} changes/s", await _busy(some, plan)),
                ):
                    p50, p99 = quantile(times, 0.5), quantile(times, 0.99)
                    rows.append((f"{kind}, {name}", len(times), 1000 * p50, 1000 * p99, 1000 * max(times)))
                    claim = (
                        f"webhook to written on {kind}, {name}: p50 under {MOST_P50_S:g} s, p99 under {MOST_P99_S:g} s"
                    )
                    figure = f"{1000 * p50:.0f} ms, {1000 * p99:.0f} ms"
                    musts.append(Must(claim=claim, figure=figure, holds=p50 < MOST_P50_S and p99 < MOST_P99_S))
    columns = ("", "changes", "p50 ms", "p99 ms", "slowest ms")
    table = Table(caption="From the change at A to the price at B", columns=columns, rows=rows)
    return Section(letter="d", title="Webhook to written", how=HOW_D, tables=[table], musts=musts)


async def _idle(some: Shops, changes: int) -> list[float]:
    began = CLOCK.monotonic()
    for sku in some.some(changes):
        await some.reprice(sku)
        await some.arrived()
    return await some.times_s(began)


async def _busy(some: Shops, plan: LatencyPlan) -> list[float]:
    """At a pace of its own, whatever the hub does; a key comes again only when all others had their turn."""
    await some.settled()
    began = CLOCK.monotonic()
    count = int(plan.busy_s * plan.busy_per_s)
    skus = some.some(PRODUCTS // 2)
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / plan.busy_per_s - CLOCK.monotonic()))
            group.create_task(some.reprice(skus[number % len(skus)]))
    await some.arrived()
    return await some.times_s(began)


async def recovery(plan: RecoveryPlan) -> Section:
    """(e)."""
    first, agreed = [], []
    with databases.fresh(databases.DISK) as url:
        async with shops(url) as some:
            for _ in range(plan.kills):
                began = CLOCK.monotonic()
                await _killed(some, plan.burst)
                started = some.hub.started_at[-1]
                since_start = [at - started for at in await some.written_at(began) if at > started]
                first.append(min(since_start))
                agreed.append(max(since_start))
    rows = [
        ("restart to first write", 1000 * middle(first), 1000 * max(first)),
        ("restart to agreement", 1000 * middle(agreed), 1000 * max(agreed)),
    ]
    table = Table(caption=f"{plan.kills} kills", columns=("", "median ms", "slowest ms"), rows=rows)
    must = Must(
        claim=f"in agreement within {MOST_BACK_S:g} s of a restart after kill -9",
        figure=f"slowest {max(agreed):.2f} s",
        holds=max(agreed) < MOST_BACK_S,
    )
    return Section(letter="e", title="Recovery after kill -9", how=HOW_E, tables=[table], musts=[must])


async def _killed(some: Shops, burst: int) -> None:
    """Kill it amid a burst, start it again, and wait until all is right."""
    skus = some.some(burst)
    for number, sku in enumerate(skus):
        if number == burst // 2:
            await some.hub.kill()
            await some.hub.start()
        await some.reprice(sku)
    await some.hub.ready()
    await some.arrived()
    await some.settled()
