"""``--stay``: the demo's stores go on as servers on loopback, the hub goes on by the clock, and changes are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from storeweave.app.demo.goods import THROW
from storeweave.app.demo.world import TOKEN, World
from storeweave.model.state import HistoryRow
from storeweave.twinkit.asgi import TwinApp
from storeweave.twinkit.serving import TwinServer, bind, origin_of

LOOK_S = 0.3


class Houses:
    """Where the two stores will listen: addresses are taken before the stores are made, which must know them."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.listeners = bind(host, 0), bind(host, 0)

    @property
    def origins(self) -> tuple[str, str]:
        first, second = self.listeners
        return origin_of(first), origin_of(second)


async def stay(world: World, houses: Houses, say: Callable[[str], None]) -> None:
    """Serve until cancelled (Ctrl-C)."""
    servers = [
        TwinServer(TwinApp(twin), listener) for twin, listener in zip((world.a, world.b), houses.listeners, strict=True)
    ]
    for server in servers:
        await server.start()
    say("")
    say("Both stores stay open until you press Ctrl-C. Change something in store A and watch it arrive:")
    number = world.a.merchant.product(THROW).product.id
    say(f"  curl -X PUT {world.a.api_url}/catalog/products/{number} \\")
    say(f"       -H 'X-Auth-Token: {TOKEN}' -H 'Content-Type: application/json' -d '{{\"price\": 99.5}}'")
    say(f"  curl -H 'X-Auth-Token: {TOKEN}' '{world.b.api_url}/catalog/products?sku={THROW}'")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_by_the_clock(world))
            group.create_task(_tell(world, say))
    finally:
        for server in servers:
            await server.stop()


async def _by_the_clock(world: World) -> None:
    """What ``storeweave serve`` does by itself: polls, sweeps, checks of hooks and accounts."""
    await world.store.put_value(f"first-sync:{world.flow.name}", world.clock.now().isoformat())
    await world.hub.run(work=False)


async def _tell(world: World, say: Callable[[str], None]) -> None:
    newest = await world.store.history(limit=1)
    last = newest[0].id or 0 if newest else 0
    while True:
        rows = [row for row in await world.store.history(limit=50) if (row.id or 0) > last]
        for row in reversed(rows):
            last = row.id or last
            say(told(row))
        await world.clock.sleep(LOOK_S)


def told(row: HistoryRow) -> str:
    """One applied change on one line."""
    lines = ", ".join(f"{line.path}: {_short(line.old)} → {_short(line.new)}" for line in row.lines[:3])
    more = f" and {len(row.lines) - 3} more" if len(row.lines) > 3 else ""
    took = "" if row.lag_ms is None else f" ({row.lag_ms} ms)"
    return f"  {row.at:%H:%M:%S} {row.cause} → {row.op} {row.key.kind} {row.key.key}: {lines}{more}{took}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 30 else text[:29] + "…"
