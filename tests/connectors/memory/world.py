"""A memory shop with one product and its connector, for the tests of this folder."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal

from storeweave.connectors.memory.connector import Limits, MemoryConnector
from storeweave.connectors.memory.faults import FaultPlan
from storeweave.connectors.memory.hooks import NoticeFaults
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.connectors.memory.state import Rules
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Change, Fields, Notice, Op, Outcome, Record
from storeweave.ports.permit import Permit
from tests.virtual_clock import VirtualClock

FREE = Permit()


@dataclass
class World:
    """One shop that sells one mug."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    faults: FaultPlan = field(default_factory=lambda: FaultPlan(random.Random(7)))
    rules: Rules | None = None
    limits: Limits | None = None
    notices: NoticeFaults | None = None
    read_lag_s: float = 0.0
    latency_s: tuple[float, float] = (0.0, 0.0)
    seed: int = 1

    def __post_init__(self) -> None:
        self.shop = MemoryShop(
            "shop",
            clock=self.clock,
            rng=random.Random(self.seed),
            rules=self.rules,
            notices=self.notices,
            read_lag_s=self.read_lag_s,
        )
        self.heard: list[Notice] = []
        self.connector = self.connect("hub")
        self.mug = self.shop.create_product("Mug", sku="MUG", price=Decimal(5))
        self.clock.push(60)
        self.shop.touch()

    def connect(self, owner: str, *, faults: FaultPlan | None = None) -> MemoryConnector:
        return MemoryConnector(
            self.shop,
            clock=self.clock,
            faults=faults or self.faults,
            limits=self.limits,
            latency_s=self.latency_s,
            owner=owner,
        )

    def hear(self, notice: Notice) -> bool:
        self.heard.append(notice)
        return True

    async def read(self, key: Key | None = None) -> Record | None:
        key = key or self.mug
        return (await self.connector.read(Kind.PRODUCT, [key], FREE))[key]

    async def price(self) -> object:
        record = await self.read()
        assert record is not None
        return record.fields["price"]

    async def set_price(self, price: int) -> Outcome:
        return (await self.write(change_of(self.mug, {"price": Decimal(price)})))[self.mug]

    async def write(self, *changes: Change) -> dict[Key, Outcome]:
        return dict(await self.connector.write(changes[0].kind, changes, FREE))


def change_of(key: Key, fields: Fields) -> Change:
    return Change(ref=key, kind=Kind.PRODUCT, op=Op.UPDATE, key=key, fields=fields)


def creation_of(name: str, sku: str) -> Change:
    return Change(ref=Key(sku), kind=Kind.PRODUCT, op=Op.CREATE, fields={"name": name, "sku": sku})
