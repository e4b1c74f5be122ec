"""Two twin stores, a hub and its webhook door in one process, wired as ``storeweave serve`` wires the real ones.

Store A is the source, store B the destination. Calls go through the in-process transport, webhooks of A through the
door with their signatures; the database is SQLite in a folder of its own. What happens here is told elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from storeweave.app.hub import Hub, HubOptions
from storeweave.connectors.bigcommerce.connector import BigCommerce
from storeweave.connectors.bigcommerce.settings import BigCommerceSettings
from storeweave.connectors.bigcommerce.twin import BigCommerceTwin, Token, TwinSettings
from storeweave.engine.budget import Purse
from storeweave.intake.door import Door, Gate, hook_url, path_secret
from storeweave.model.errors import StoreweaveError
from storeweave.model.flow import BrakeLimits, FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName
from storeweave.model.records import Notice
from storeweave.ports.clock import Clock
from storeweave.ports.transport import Transport
from storeweave.storage.store import SqlStore, open_store
from storeweave.twinkit.doorstep import Doorstep
from storeweave.twinkit.inprocess import InProcessTransport

A, B, FLOW = ConnectionName("a"), ConnectionName("b"), FlowName("a-to-b")
CHANNEL = 2
"""The channel of store A that stands for store B: what is listed there may be bought in B."""
HUB_URL = "https://hub.demo.test"
MOST_DELETES = 10
PROBE_S = 1.5
LATENCY_S = 0.06
READ_LAG_S = 0.25
QUOTA = 1500
TOKEN = "twin-token"  # noqa: S105  a fixed token of a toy account

Through = Callable[[Transport], Transport]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a world is made of. Latencies are the twins'; ``origins`` other than the default are where they listen."""

    seed: int = 1
    latency_s: float = LATENCY_S
    quota: int = QUOTA
    origins: tuple[str, str] = ("", "")
    probe_s: float = PROBE_S


@dataclass(slots=True)
class Inbox:
    """What came through the door and was genuine."""

    topics: list[str] = field(default_factory=list)
    kept: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that the demo plays with."""

    a: BigCommerceTwin
    b: BigCommerceTwin
    hub: Hub
    store: SqlStore
    flow: FlowSpec
    door: Door
    doorstep: Doorstep
    hook_url: str
    inbox: Inbox
    purses: dict[ConnectionName, Purse]
    clock: Clock

    async def work(self, *, ticking: bool = False) -> None:
        """Let the twins deliver and the hub work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.a.run(), name="store A")
            group.create_task(self.b.run(), name="store B")
            group.create_task(self.hub.run(ticking=ticking), name="hub")

    async def pair(self) -> None:
        """First contact with both stores, and the webhooks of A. Raises what a store refused."""
        for found in ((await self.hub.check_accounts()), (await self.hub.ensure_hooks())):
            for result in found.values():
                if isinstance(result, StoreweaveError):
                    raise result

    async def sweep(self, *, destination_too: bool = False) -> int:
        """The daily comparison of everything, now."""
        return await self.hub.full(self.flow, destination_too=destination_too, what="sweep")


def flow_of_the_demo() -> FlowSpec:
    """One flow of everything, with the channel rule and a brake that is tight enough for a small shop."""
    return FlowSpec(
        name=FLOW,
        source=A,
        destination=B,
        availability_from_listing=True,
        brakes=BrakeLimits(deletes=MOST_DELETES, deletes_share=0.0),
    )


@asynccontextmanager
async def open_world(
    folder: Path, ground: Ground, *, clock: Clock, through: Through = lambda carrier: carrier
) -> AsyncIterator[World]:
    """A world with two empty stores. ``through`` may put something between the hub and the stores."""
    rng = Random(ground.seed)
    a = _twin("store-a", "Store A", ground.origins[0], 100, ground, rng, clock)
    b = _twin("store-b", "Store B", ground.origins[1], 700_000, ground, rng, clock)
    carrier = through(InProcessTransport([a, b], clock=clock))
    purses = {A: Purse(clock), B: Purse(clock)}
    connectors = {
        name: _connector(name, twin, carrier, purses[name], clock, CHANNEL if name == A else None)
        for name, twin in ((A, a), (B, b))
    }
    store = open_store(f"sqlite:///{folder / 'storeweave.db'}", clock=clock, exclusive=True)
    secret = path_secret(rng.randbytes(32), A)
    url = hook_url(HUB_URL, A, secret)
    flow = flow_of_the_demo()
    hub = Hub(
        store=store,
        connectors=connectors,
        hooked={A: connectors[A]},
        flows=[flow],
        clock=clock,
        rng=Random(rng.getrandbits(64)),
        options=HubOptions(exclusive=True, probe_s=ground.probe_s, hook_urls={A: url}),
    )
    inbox = Inbox()

    async def accept(notices: Sequence[Notice]) -> None:
        inbox.topics += [notice.topic.removeprefix("store/") for notice in notices]
        inbox.kept += await hub.journal.accept(notices)

    door = Door({A: Gate(secrets=(secret.encode(),), receiver=connectors[A])}, accept, clock)
    doorstep = Doorstep(door)
    a.deliveries.post = doorstep.post
    try:
        yield World(
            a=a,
            b=b,
            hub=hub,
            store=store,
            flow=flow,
            door=door,
            doorstep=doorstep,
            hook_url=url,
            inbox=inbox,
            purses=purses,
            clock=clock,
        )
    finally:
        await store.close()


def _twin(
    store_hash: str, name: str, origin: str, first_id: int, ground: Ground, rng: Random, clock: Clock
) -> BigCommerceTwin:
    settings = TwinSettings(
        store_hash=store_hash,
        name=name,
        origin=origin,
        tokens={TOKEN: Token(client_secret=f"{rng.getrandbits(256):064x}")},
        quota=ground.quota,
        latency_s=ground.latency_s,
        read_lag_s=READ_LAG_S * 0.8,
        read_lag_share=0.2,
        first_id=first_id,
        channels=((1, "Storefront"), (CHANNEL, "Store B")),
    )
    return BigCommerceTwin(settings, clock=clock, rng=Random(rng.getrandbits(64)))


def _connector(
    name: ConnectionName,
    twin: BigCommerceTwin,
    carrier: Transport,
    purse: Purse,
    clock: Clock,
    channel_id: int | None,
) -> BigCommerce:
    token, account = next(iter(twin.settings.token_table().items()))
    settings = BigCommerceSettings.model_validate(
        {
            "store_hash": twin.settings.store_hash,
            "access_token": token,
            "client_secret": account.client_secret,
            "api_url": twin.origin,
            "channel_id": channel_id,
            "read_lag_s": READ_LAG_S,
            "concurrency": 8,
            "request_timeout_s": 3.0,
            "late_landing_s": 1.0,
            "tree_cache_s": 1.0,
        }
    )
    return BigCommerce(settings, transport=carrier, budget=purse, clock=clock, connection=name)
