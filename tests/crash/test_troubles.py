"""Troubles that are no crash: a full disk, a store behind a cut line, senders that are slow, or stop half way."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.crash.hub_process import HubOrder
from tests.crash.oracle import differences
from tests.crash.rig import CLOCK, Hub, Store, free_port, hub, settled, stores, until
from tests.crash.twin_process import TwinOrder

pytestmark = pytest.mark.slow

PROBE_S = 0.5
SLOW_SENDERS = 200


@dataclass(frozen=True)
class World:
    """Two stores in agreement, and the hub between them."""

    a: Store
    b: Store
    hub: Hub

    async def skus(self) -> list[str]:
        products = (await self.a.ask("state"))["products"]
        return sorted(sku for sku in products if not sku.startswith("name:"))

    async def reprice(self, skus: list[str], cents: int) -> None:
        for sku in skus:
            price = (await self.a.ask("state"))["products"][sku]["price"]
            await self.a.deed("edit_product", sku=sku, price=Decimal(price) + Decimal(cents) / 100)

    async def acknowledged(self) -> int:
        return int((await self.a.ask("counts"))["acknowledged"])

    async def answered(self) -> dict[str, int]:
        """How often which status was answered to a webhook."""
        found: dict[str, int] = (await self.a.ask("counts"))["answered"]
        return found

    async def differences(self) -> list[str]:
        await settled(self.a, self.b, self.hub)
        return differences(await self.a.ask("state"), await self.b.ask("state"))


@asynccontextmanager
async def world(folder: Path, *, served: bool) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        orders = TwinOrder(store_hash="a", products=30), TwinOrder(store_hash="b", first_id=1_000_000)
        a, b = await stack.enter_async_context(stores(*orders, folder=folder))
        database = f"sqlite:///{folder / 'hub.db'}"
        order = HubOrder(database=database, a_url=a.url, b_url=b.url, port=free_port(), probe_s=PROBE_S)
        it = await stack.enter_async_context(hub(order, folder=folder, served=served))
        await it.start()
        await it.ready()
        found = World(a, b, it)
        assert await found.differences() == []
        yield found


async def test_a_full_disk_refuses_webhooks_until_there_is_room_again_and_loses_none(tmp_path: Path) -> None:
    async with world(tmp_path, served=True) as it:
        before = await it.acknowledged()
        resource.prlimit(it.hub.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        await it.reprice((await it.skus())[:5], 1)

        async def refused() -> bool:
            return (await it.answered()).get("503", 0) >= 5

        await until(refused, "webhooks refused")
        assert await it.acknowledged() == before

        resource.prlimit(it.hub.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert await it.differences() == []
        assert await it.acknowledged() >= before + 5


async def test_slow_senders_and_torn_bodies_keep_nobody_else_out(tmp_path: Path) -> None:
    async with world(tmp_path, served=True) as it, AsyncExitStack() as stack:
        (destination,) = {hook["destination"] for hook in (await it.a.ask("hooks"))["hooks"]}
        address = urlsplit(destination)
        head = f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 1000\r\n".encode()
        for number in range(SLOW_SENDERS):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            stack.callback(writer.close)
            # Some are still at their headers, some in the middle of a body; a third goes away there.
            writer.write(head if number % 3 == 0 else head + b'\r\n{"scope": "store/')
            await writer.drain()
            if number % 3 == 1:
                writer.close()
        before = await it.acknowledged()
        await it.reprice((await it.skus())[:5], 1)

        async def taken() -> bool:
            return await it.acknowledged() >= before + 5

        await until(taken, "webhooks acknowledged")
        assert await it.differences() == []
        assert set(await it.answered()) == {"200"}


async def test_a_store_behind_a_cut_line_is_probed_one_key_at_a_time_and_caught_up_afterwards(tmp_path: Path) -> None:
    async with world(tmp_path, served=False) as it:
        skus = await it.skus()
        before = await it.acknowledged()
        it.b.pause()
        try:
            await it.reprice(skus[:12], 1)

            async def out() -> bool:
                return bool((await it.hub.status())["is_out"]) and await it.acknowledged() >= before + 12

            await until(out, "the outage noticed, and webhooks taken in all the same")
            calls, began_at = int((await it.hub.status())["calls_to_b"]), CLOCK.monotonic()

            async def probed() -> bool:
                return int((await it.hub.status())["calls_to_b"]) >= calls + 3

            await until(probed, "the store is probed")
            probes = int((await it.hub.status())["calls_to_b"]) - calls
            assert probes <= 2 + (CLOCK.monotonic() - began_at) / PROBE_S
        finally:
            it.b.resume()
        assert await it.differences() == []
        assert (await it.hub.status())["parked"] == 0
