"""A whole hub on a stage: two memory shops, a store in memory, and the port that people ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from storeweave.app.hub import Hub, HubOptions
from storeweave.app.local import LocalHub
from storeweave.app.views import Views
from storeweave.connectors.memory.connector import MemoryConnector
from storeweave.connectors.memory.faults import FaultPlan, FaultRates
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.model.flow import BrakeLimits, FlowSpec, PriceRule
from storeweave.model.kinds import ConnectionName, FlowName
from storeweave.model.records import Cause
from storeweave.model.state import MarkState
from storeweave.ports.clock import SystemClock
from storeweave.storage import open_store

LATER_LOOKS = (Cause.SECOND_LOOK, Cause.CONFIRM)
A, B, FLOW = ConnectionName("a"), ConnectionName("b"), FlowName("main")


@dataclass
class Stage:
    """Shop ``a`` is the source, shop ``b`` the destination."""

    a: MemoryShop
    b: MemoryShop
    faults: FaultPlan
    hub: Hub
    port: LocalHub
    url: str = "sqlite://"

    async def settled(self) -> None:
        """Wait until nothing is dirty but for later looks at what is done already."""
        async with asyncio.timeout(30):
            while any(m.cause not in LATER_LOOKS for m in await self.hub.store.marks(state=MarkState.DIRTY)):
                await self.hub.clock.sleep(0.005)


@asynccontextmanager
async def stage(
    *, products: int = 3, synced: bool = True, background: bool = False, working: bool = True, url: str = "sqlite://"
) -> AsyncIterator[Stage]:
    """Some products on shop a; ``synced``: in agreement with shop b already. ``working``: the lanes run."""
    clock = SystemClock()
    store = open_store(url)
    a = MemoryShop("a", clock=clock, rng=Random(1))
    b = MemoryShop("b", clock=clock, rng=Random(2), first_key=1000)
    faults = FaultPlan(Random(3), FaultRates(late_s=0.0))
    connectors = {
        A: MemoryConnector(a, clock=clock, rng=Random(4), faults=FaultPlan(Random(7), FaultRates(late_s=0.0))),
        B: MemoryConnector(b, clock=clock, rng=Random(5), faults=faults),
    }
    flow = FlowSpec(
        name=FLOW,
        source=A,
        destination=B,
        prices=PriceRule(multiply=Decimal("1.5"), places=2),
        brakes=BrakeLimits(deletes=1, deletes_share=0.0),
        debounce_s=0.0,
    )
    hub = Hub(
        store=store,
        connectors=connectors,
        hooked=connectors,
        flows=[flow],
        clock=clock,
        rng=Random(6),
        options=HubOptions(hook_urls={A: "https://hub.example/webhooks/a/unguessable-part"}),
    )
    port = LocalHub(hub, Views(store, clock, hub.flows, {A: "memory", B: "memory"}), background=background)
    fill(a, products)
    task = asyncio.create_task(hub.run(ticking=False)) if working else None
    try:
        made = Stage(a, b, faults, hub, port, url)
        await hub.check_accounts()
        if synced and working:
            await hub.full(flow)
            await made.settled()
        yield made
    finally:
        await port.close()
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await store.close()


def fill(shop: MemoryShop, products: int) -> None:
    """A category, a brand, and products MUG-1, MUG-2, ... at 10.00, 20.00, ..."""
    category = shop.create_category("Kitchen")
    brand = shop.create_brand("Acme")
    for number in range(1, products + 1):
        key = shop.create_product(f"Mug {number}", sku=f"MUG-{number}", options={"Size": ["S", "L"]})
        shop.edit_product(key, price=Decimal(10 * number), categories=frozenset({category}), brand=brand)
