"""A twin store in a process of its own that watches the hub and can kill it at the sharpest moments.

``python -m tests.crash.twin_process '{"store_hash": "a", ...}'`` prints its address. It outlives every hub, so what a
hub sent before it died takes effect; and it alone knows what arrived, what was acknowledged and when. All instants are
the machine's monotonic clock, which its processes share.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from storeweave.connectors.bigcommerce.twin import BigCommerceTwin, Figures, TwinSettings, lay_in
from storeweave.connectors.bigcommerce.twin.server import addresses
from storeweave.ports.clock import SystemClock
from storeweave.twinkit.asgi import TwinApp
from storeweave.twinkit.deliveries import Mishaps
from storeweave.twinkit.limits import QuotaWindow
from storeweave.twinkit.posting import Outwards
from storeweave.twinkit.serving import TwinServer, bind, origin_of
from storeweave.twinkit.twin import CONTROL
from storeweave.twinkit.wire import Answer, Call, encode

LIMIT_WINDOW_S = 0.3
"""How soon a call may be tried again after a 429; the vendor's windows last 30 s."""
RETRY_S = 0.25
"""How soon a webhook that nobody took is sent again; the vendor waits a minute at first and gives up after days."""


LONG_AGO = "2026-01-01T00:00:00+00:00"


class TwinOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a twin process is told."""

    store_hash: str
    products: int = 0
    seed: int = 1
    first_id: int = 100
    mishaps: Mishaps = Mishaps()


class Ack(msgspec.Struct, frozen=True):
    """A webhook that the hub answered with success."""

    at: float
    product_id: int | None


class Price(msgspec.Struct, kw_only=True):
    """A price that must arrive here. ``met_at``: when it was first seen; None as long as it was not."""

    sku: str
    price: Decimal
    since: float
    met_at: float | None = None


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """Kill process ``pid`` at the ``after``-th ``moment`` from now on."""

    pid: int
    moment: str  # "ack": a webhook was acknowledged; "arrival": of a write; "effect": a write took effect, unanswered
    after: int = 1


class WatchedTwin(BigCommerceTwin):
    """A twin store that keeps a diary of what arrives and what is acknowledged."""

    def __init__(self, settings: TwinSettings, *, rng: random.Random, outwards: Outwards) -> None:
        super().__init__(
            settings,
            clock=SystemClock(),
            rng=rng,
            post=self._post,
            fetch=outwards.fetch,
            controlled=True,
        )
        self.window = QuotaWindow(settings.quota, window_s=LIMIT_WINDOW_S)
        self._outwards = outwards
        self._acks: list[Ack] = []
        self._answered: Counter[int] = Counter()
        self._calls_at: list[float] = []
        self._writes_at: list[float] = []
        self._awaited: dict[str, Price] = {}
        self._prices: list[Price] = []
        self._trigger: Trigger | None = None
        self._sends = asyncio.Event()
        self._sends.set()

    async def answer(self, call: Call) -> Answer:
        if call.path.startswith(CONTROL):
            return await super().answer(call)
        is_write = call.method != "GET"
        if "/stores/" in call.path:
            self._calls_at.append(self.clock.monotonic())
        if is_write:
            self._writes_at.append(self.clock.monotonic())
            self._count("arrival")
        try:
            return await super().answer(call)
        finally:
            if is_write:
                self._look_at_prices()
                self._count("effect")

    def control(self, call: Call) -> Answer:
        deed = DEEDS.get(f"{call.method} {call.path[len(CONTROL) :]}")
        return super().control(call) if deed is None else Answer(200, encode(deed(self, call)))

    # What is noticed.

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        await self._sends.wait()
        status = await self._outwards.post(url, headers, body)
        self._answered[status] += 1
        if 200 <= status < 300:
            self._count("ack")
            self._acks.append(Ack(self.clock.monotonic(), _product_of(msgspec.json.decode(body))))
        return status

    def _look_at_prices(self) -> None:
        for sku, awaited in list(self._awaited.items()):
            owner = self.shop.skus.get(sku)
            if owner is not None and self.shop.entries[owner[0]].product.price == awaited.price:
                awaited.met_at = self.clock.monotonic()
                del self._awaited[sku]

    def _count(self, moment: str) -> None:
        trigger = self._trigger
        if trigger is None or trigger.moment != moment:
            return
        if trigger.after > 1:
            self._trigger = msgspec.structs.replace(trigger, after=trigger.after - 1)
            return
        self._trigger = None
        os.kill(trigger.pid, signal.SIGKILL)

    # What can be asked and told.

    def arm(self, call: Call) -> bool:
        """Kill at a moment to come; an empty body calls it off."""
        self._trigger = msgspec.json.decode(call.body, type=Trigger) if call.body else None
        return True

    def sends(self, call: Call) -> bool:
        """Whether webhooks leave; false holds them back, so that many go at once afterwards."""
        if msgspec.json.decode(call.body, type=bool):
            self._sends.set()
        else:
            self._sends.clear()
        return self._sends.is_set()

    def expect(self, call: Call) -> int:
        """Prices that the merchant of the other store has just set, by SKU; null: its product is no more."""
        asked = msgspec.json.decode(call.body, type=dict[str, Decimal | None])
        for sku, price in asked.items():
            before = self._awaited.pop(sku.lower(), None)
            if before is not None:
                self._prices.remove(before)
            if price is not None:
                awaited = Price(sku=sku, price=price, since=self.clock.monotonic())
                self._awaited[sku.lower()] = awaited
                self._prices.append(awaited)
        return len(asked)

    def diary(self, call: Call) -> Mapping[str, Any]:
        """Everything that was noticed so far."""
        del call
        self.settle()
        self._look_at_prices()
        return {
            "acks": [(ack.at, self._sku(ack.product_id)) for ack in self._acks],
            "calls": self._calls_at,
            "writes": self._writes_at,
            "prices": self._prices,
        }

    def counts(self, call: Call) -> Mapping[str, Any]:
        """A few numbers, cheap to ask for."""
        del call
        self.settle()
        return {
            "products": len(self.shop.entries),
            "calls": len(self._calls_at),
            "faults": dict(self.faults.drawn),
            "awaited": len(self._awaited),
            "hooks": sum(hook.is_active for hook in self.shop.announcer.hooks.values()),
            "undelivered": len(self.deliveries),
            "landing": len(self.landings),
            "acknowledged": len(self._acks),
            "answered": {str(status): count for status, count in self._answered.items()},
        }

    def _sku(self, product_id: int | None) -> str | None:
        entry = self.shop.entries.get(product_id) if product_id is not None else None
        return entry.product.sku if entry is not None else None


DEEDS: Mapping[str, Callable[[WatchedTwin, Call], Any]] = {
    "POST arm": WatchedTwin.arm,
    "POST sends": WatchedTwin.sends,
    "POST expect": WatchedTwin.expect,
    "GET diary": WatchedTwin.diary,
    "GET counts": WatchedTwin.counts,
}


def _product_of(body: Any) -> int | None:
    """Which product a webhook is about."""
    data = body["data"]
    inner = data.get("sku") or data.get("inventory") or {}
    found = inner.get("product_id") or (data["id"] if data.get("type") == "product" else None)
    return int(found) if found is not None else None


def make_old(twin: BigCommerceTwin) -> None:
    """As if the catalogue had not been touched for long: a feed of changes has nothing to tell of it."""
    for entry in list(twin.shop.entries.values()):
        product = msgspec.structs.replace(entry.product, date_modified=LONG_AGO)
        twin.shop.put(msgspec.structs.replace(entry, product=product), moves_date=False)


async def main(order: TwinOrder) -> None:
    """Serve until killed."""
    listener = bind("127.0.0.1", 0)
    settings = TwinSettings(
        store_hash=order.store_hash,
        name=f"Store {order.store_hash}",
        origin=origin_of(listener),
        first_id=order.first_id,
        hook_retries_s=(RETRY_S,) * 10_000,
    )
    async with Outwards(timeout_s=5.0) as outwards, asyncio.TaskGroup() as group:
        twin = WatchedTwin(settings, rng=random.Random(order.seed), outwards=outwards)
        if order.products:
            lay_in(twin.shop, Figures(products=order.products), random.Random(order.seed))
            make_old(twin)
        twin.deliveries.mishaps = order.mishaps
        group.create_task(twin.run())

        def announce() -> None:
            print(encode(addresses(twin)).decode(), flush=True)

        await TwinServer(TwinApp(twin), listener, on_ready=announce).serve()


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=TwinOrder)))
