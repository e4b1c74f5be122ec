"""Twin stores and a hub in one process, without limits or latency: to count calls, and for the engine's own speed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from storeweave.app.hub import Hub, HubOptions
from storeweave.connectors.bigcommerce.connector import BigCommerce
from storeweave.connectors.bigcommerce.settings import BigCommerceSettings
from storeweave.connectors.bigcommerce.twin import BigCommerceTwin, Figures, Token, TwinSettings, lay_in
from storeweave.engine.budget import Purse
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName
from storeweave.ports.clock import SystemClock
from storeweave.ports.transport import Transport
from storeweave.storage.store import open_store
from storeweave.twinkit.inprocess import InProcessTransport

A, B = ConnectionName("a"), ConnectionName("b")
TOKEN = "twin-token"
FLOW = FlowSpec(name=FlowName("a-to-b"), source=A, destination=B)
CLOCK = SystemClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """``c`` is a third store, for another program to write to."""

    a: BigCommerceTwin
    b: BigCommerceTwin
    c: BigCommerceTwin
    hub: Hub
    transport: Transport

    def reset(self) -> None:
        """Forget the calls that were counted."""
        for twin in (self.a, self.b, self.c):
            twin.calls.reset()


@asynccontextmanager
async def open_stage(figures: Figures, folder: Path, *, seed: int = 1) -> AsyncIterator[Stage]:
    """Store A with a catalogue, B and C empty, and a hub at work from A to B."""
    a, b, c = (_twin(name, first_id) for name, first_id in (("a", 100), ("b", 1_000_000), ("c", 2_000_000)))
    lay_in(a.shop, figures, Random(seed))
    transport = InProcessTransport([a, b, c], clock=CLOCK)
    connectors = {name: bigcommerce(name, twin.origin, transport) for name, twin in ((A, a), (B, b))}
    store = open_store(f"sqlite:///{folder / 'hub.db'}", clock=CLOCK, exclusive=True)
    hub = Hub(
        store=store,
        connectors=connectors,
        hooked={A: connectors[A]},
        flows=[FLOW],
        clock=CLOCK,
        rng=Random(seed),
        options=HubOptions(exclusive=True),
    )
    await hub.check_accounts()
    work = asyncio.create_task(hub.run(ticking=False))
    try:
        yield Stage(a=a, b=b, c=c, hub=hub, transport=transport)
    finally:
        work.cancel()
        await asyncio.wait([work])
        await store.close()


def bigcommerce(name: ConnectionName, url: str, transport: Transport) -> BigCommerce:
    """The connector to a twin."""
    settings = BigCommerceSettings.model_validate(
        {
            "store_hash": name,
            "access_token": TOKEN,
            "client_secret": Token().client_secret,
            "api_url": url,
            "read_lag_s": 0.0,
            "late_landing_s": 2.0,
            "allow_http_hooks": True,
        }
    )
    return BigCommerce(settings, transport=transport, budget=Purse(CLOCK), clock=CLOCK, connection=name)


def _twin(name: str, first_id: int) -> BigCommerceTwin:
    return BigCommerceTwin(TwinSettings(store_hash=name, first_id=first_id), clock=CLOCK, rng=Random(name))
