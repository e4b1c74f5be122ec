"""Two memory shops and one process between them, in virtual time: nothing waits, and what happens is decided here."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from decimal import Decimal
from random import Random
from typing import Any, ParamSpec

import msgspec

from storeweave.app.hub import Hub, HubOptions
from storeweave.connectors.memory.connector import Limits, MemoryConnector
from storeweave.connectors.memory.faults import FaultPlan, FaultRates
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.connectors.memory.state import Rules
from storeweave.engine.lane import Lane
from storeweave.engine.safety import ALL_RULES, SafetyRules
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind
from storeweave.model.records import FlowKey, Notice
from storeweave.model.state import Mark
from storeweave.ports.connector import Connector
from storeweave.storage.executor import Inline
from storeweave.storage.store import open_store
from tests.simulation.virtual import VirtualClock, at_once, run_virtually

P = ParamSpec("P")
SOURCE, DESTINATION, FLOW = ConnectionName("a"), ConnectionName("b"), FlowName("a-to-b")
LATE_S = 8.0


def virtually(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **named: P.kwargs) -> None:
        run_virtually(test(*args, **named))

    return run


class Stage:
    """Everything in one place. Make it inside a running loop."""

    def __init__(
        self,
        *,
        safety: SafetyRules = ALL_RULES,
        limits: Limits | None = None,
        rules: Rules | None = None,
        source_rules: Rules | None = None,
        source_lag_s: float = 0.0,
        destination_lag_s: float = 0.0,
        probe_s: float = 30.0,
        **flow: Any,
    ) -> None:
        """``flow`` are fields of the FlowSpec; ``rules`` are the destination's."""
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.safety, self.probe_s = safety, probe_s
        self.limits = limits or Limits(fed=frozenset())
        self.a = MemoryShop("a", clock=self.clock, rng=Random(1), rules=source_rules, read_lag_s=source_lag_s)
        self.b = MemoryShop(
            "b", clock=self.clock, rng=Random(2), rules=rules, read_lag_s=destination_lag_s, first_key=1000
        )
        self.faults_a = FaultPlan(Random(3), FaultRates(late_s=LATE_S))
        self.faults_b = FaultPlan(Random(4), FaultRates(late_s=LATE_S))
        self.store = open_store("sqlite://", executor=Inline(), clock=self.clock)
        self.flow = FlowSpec(name=FLOW, source=SOURCE, destination=DESTINATION, debounce_s=0.0, **flow)
        self.hub = self.start()
        self.a.hooks.listen(self.hear)

    def start(self, holder: str = "hub", **flow: Any) -> Hub:
        """A process; with other rules if any are given."""
        self.flow = msgspec.structs.replace(self.flow, **flow)
        connectors: dict[ConnectionName, Connector] = {
            name: MemoryConnector(shop, clock=self.clock, faults=faults, limits=self.limits, owner=holder)
            for name, shop, faults in ((SOURCE, self.a, self.faults_a), (DESTINATION, self.b, self.faults_b))
        }
        self.hub = Hub(
            store=self.store,
            connectors=connectors,
            flows=[self.flow],
            clock=self.clock,
            rng=Random(5),
            options=HubOptions(holder=holder, lease_s=5.0, probe_s=self.probe_s),
            safety=self.safety,
        )
        return self.hub

    def hear(self, notice: Notice) -> bool:
        """The door."""
        at_once(self.hub.journal.accept([notice]))
        return True

    @property
    def lane(self) -> Lane:
        return self.hub.lanes.lanes[self.flow.lane]

    def product(self, sku: str, **fields: Any) -> Key:
        """A new product at the source."""
        return self.a.create_product(f"Thing {sku}", sku=sku, **{"price": Decimal(10), "is_visible": True, **fields})

    def there(self, sku: str) -> dict[str, Any]:
        """Fields of the destination's product of that SKU."""
        return dict(self.b.records[Kind.PRODUCT][self.b.key_of(Kind.PRODUCT, sku)].fields)

    def skus_there(self) -> set[object]:
        return {r.fields.get("sku") for r in self.b.records[Kind.PRODUCT].values()}

    async def work(self) -> None:
        """Until nothing is due now."""
        for _ in range(100):
            wait_s = await self.lane.drain()
            if wait_s is None or wait_s > 0:
                return
        raise AssertionError("the lane never runs dry")

    async def settled(self, within_s: float = 1800.0) -> None:
        """Work and wait until nothing is dirty, and no late write can land any more."""
        ends_at = self.clock.monotonic() + within_s
        while self.clock.monotonic() < ends_at:
            self.a.touch()
            self.b.touch()
            wait_s = await self.lane.drain()
            backlog = await self.store.backlog(self.clock.now())
            if not sum(b.dirty + b.backing_off for b in backlog) and self.b.next_at is None:
                return
            await self.clock.sleep(min(max(wait_s or 0.0, 0.1), 30.0))

    async def wait(self, wait_s: float) -> None:
        """Let time pass and work meanwhile."""
        ends_at = self.clock.monotonic() + wait_s
        while (left_s := ends_at - self.clock.monotonic()) > 0:
            self.a.touch()
            self.b.touch()
            wait_s = await self.lane.drain() or 60.0
            await self.clock.sleep(min(max(wait_s, 0.1), left_s))
        await self.lane.drain()

    async def full(self, *, destination_too: bool = False) -> int:
        """A full pass and the work it makes, a moment after what was before."""
        await self.clock.sleep(1.0)
        run = await self.hub.full(self.flow, destination_too=destination_too)
        await self.settled()
        return run

    async def marks(self) -> list[Mark]:
        return list(await self.store.marks(limit=1000))

    async def mark(self, key: Key, kind: Kind = Kind.PRODUCT) -> Mark | None:
        """The mark of one source key."""
        marks = await self.store.marks(key=FlowKey(FLOW, kind, key))
        return marks[0] if marks else None
