"""``--stay``: the demo's stores go on as servers on loopback, the hub goes on by the clock, and changes are told."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

from storeweave.app.api import create_api
from storeweave.app.demo.goods import THROW
from storeweave.app.demo.world import TOKEN, A, B, World
from storeweave.app.local import LocalHub
from storeweave.app.views import Views
from storeweave.model.state import HistoryRow
from storeweave.twinkit.asgi import TwinApp
from storeweave.twinkit.doorstep import App
from storeweave.twinkit.serving import TwinServer, bind, origin_of

LOOK_S = 0.3
Say = Callable[[str], None]


class Houses:
    """Where stores and hub will listen. Addresses are taken before the stores are made, because they must know them."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.listeners = bind(host, 0), bind(host, 0), bind(host, 0)

    @property
    def origins(self) -> tuple[str, str]:
        """Of store A and store B."""
        return origin_of(self.listeners[0]), origin_of(self.listeners[1])

    @property
    def hub(self) -> str:
        """Where the hub's API is."""
        return origin_of(self.listeners[2])


async def stay(world: World, houses: Houses, say: Say) -> None:
    """Serve both stores and the hub's API until SIGINT or SIGTERM."""
    views = Views(
        world.store,
        world.clock,
        world.hub.flows,
        {A: "bigcommerce", B: "bigcommerce"},
        spent=world.purses,
        shadows=frozenset(),
    )
    local = LocalHub(world.hub, views, background=True)
    apps: tuple[App, ...] = TwinApp(world.a), TwinApp(world.b), create_api(local)
    servers = [TwinServer(app, listener) for app, listener in zip(apps, houses.listeners, strict=True)]
    stop = asyncio.Event()
    for server in servers:
        await server.start()
    life = [asyncio.create_task(_by_the_clock(world)), asyncio.create_task(_tell(world, say))]
    waiting = asyncio.create_task(stop.wait())
    try:
        with _signals(stop):
            _explain(world, houses, say)
            ended, _ = await asyncio.wait((*life, waiting), return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
    finally:
        for task in (*life, waiting):
            task.cancel()
        await asyncio.gather(*life, waiting, return_exceptions=True)
        await local.close()
        for server in servers:
            await server.stop()


def _explain(world: World, houses: Houses, say: Say) -> None:
    number = world.a.merchant.product(THROW).product.id
    say("")
    say("Everything stays open until you press Ctrl-C. Change something in store A, and watch it arrive here:")
    say(f"  curl -X PUT {world.a.api_url}/catalog/products/{number} \\")
    say(f"    -H 'X-Auth-Token: {TOKEN}' -H 'Content-Type: application/json' -d '{{\"price\": 99.5}}'")
    say("Look at it in store B, and ask the hub how it is:")
    say(f"  curl -H 'X-Auth-Token: {TOKEN}' '{world.b.api_url}/catalog/products?sku={THROW}'")
    say(f"  curl {houses.hub}/api/v1/status      (all of the API: {houses.hub}/docs)")


async def _by_the_clock(world: World) -> None:
    """What ``storeweave serve`` does by itself: polls, sweeps, checks of hooks and accounts."""
    await world.store.put_value(f"first-sync:{world.flow.name}", world.clock.now().isoformat())
    await world.hub.run(work=False)


async def _tell(world: World, say: Say) -> None:
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


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Here Ctrl-C is how it ends, not an interruption."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
