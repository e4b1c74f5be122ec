"""One simulated world: two shops, a store that survives, and hubs that are killed, paused and started again.

The oracle is outside the program: the shops know what they hold and who wrote it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import msgspec

from storeweave.app.hub import Hub, HubOptions
from storeweave.connectors.memory.connector import Limits, MemoryConnector
from storeweave.connectors.memory.content import Lossy
from storeweave.connectors.memory.faults import FaultPlan, FaultRates
from storeweave.connectors.memory.hooks import NoticeFaults
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.connectors.memory.state import Rules
from storeweave.connectors.memory.truth import compare
from storeweave.engine.safety import ALL_RULES, SafetyRules
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName
from storeweave.model.records import Notice
from storeweave.ports.store import Store
from storeweave.storage.executor import Inline
from storeweave.storage.store import open_store
from tests.simulation.virtual import PausableClock, VirtualClock

SOURCE, DESTINATION, FLOW = ConnectionName("a"), ConnectionName("b"), FlowName("a-to-b")
LATE_S = 8.0


class PowerCut(BaseException):
    """The process is gone. Not an Exception: nothing in the program may catch it."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of world a seed makes."""

    products: int = 5
    edits: int = 40
    span_s: float = 120.0
    fault_share: float = 0.12
    lost: float = 0.0  # notices; above 0 only the sweep finds everything
    doubled: float = 0.2
    notice_delay_s: float = 3.0
    source_lag_s: float = 0.0
    destination_lag_s: float = 0.0
    lossy: bool = False
    kills: int = 3
    cuts: int = 3  # of the kills, at a commit instead of at a moment
    workers: int = 1
    pauses: int = 0
    sweep_at_end: bool = False
    hooks_work: bool = True


def scene_of(rng: Random) -> Scene:
    """Draw a scene."""
    workers = rng.choice((1, 1, 2))
    lost = rng.choice((0.0, 0.0, 0.3))
    return Scene(
        products=rng.randint(2, 7),
        edits=rng.randint(10, 60),
        span_s=rng.choice((20.0, 90.0, 240.0)),
        fault_share=rng.choice((0.0, 0.1, 0.2, 0.3)),
        lost=lost,
        doubled=rng.choice((0.0, 0.3)),
        notice_delay_s=rng.choice((0.0, 2.0, 15.0)),
        source_lag_s=rng.choice((0.0, 0.0, 3.0)),
        destination_lag_s=rng.choice((0.0, 0.0, 2.0)),
        lossy=rng.random() < 0.3,
        kills=rng.randint(0, 5),
        cuts=rng.randint(0, 5),
        workers=workers,
        pauses=rng.randint(1, 3) if workers > 1 else 0,
        sweep_at_end=lost > 0,
    )


@dataclass(slots=True)
class Worker:
    """One process of the program."""

    name: str
    clock: PausableClock
    hub: Hub | None = None
    task: asyncio.Task[None] | None = None
    dead: bool = False

    @property
    def alive(self) -> bool:
        return self.task is not None and not self.task.done()


@dataclass
class World:
    """Everything of one run."""

    seed: int
    scene: Scene
    safety: SafetyRules = ALL_RULES
    wrap_store: Callable[[Store], Store] = lambda store: store
    trace: list[str] = field(default_factory=list)

    async def run(self) -> list[str]:
        """Live, crash, calm down; what is wrong at the end, one line each."""
        self._open()
        await self._live()
        await self._calm_down()
        wrong = self._judge()
        for worker in self.workers:
            await self.kill(worker)
        await self.raw_store.close()
        return wrong

    # --- making ------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        rng, scene = Random(self.seed), self.scene
        self.loop = asyncio.get_running_loop()
        self.clock = VirtualClock(self.loop)
        self.rng = Random(rng.random())
        delay = (0.0, scene.notice_delay_s)
        notices = NoticeFaults(lost=scene.lost, doubled=scene.doubled, delay_s=delay, retry_s=5.0)
        self.a = MemoryShop(
            "a", clock=self.clock, rng=Random(rng.random()), notices=notices, read_lag_s=scene.source_lag_s
        )
        self.b = MemoryShop(
            "b",
            clock=self.clock,
            rng=Random(rng.random()),
            read_lag_s=scene.destination_lag_s,
            rules=Rules(lossy=Lossy() if scene.lossy else None),
            first_key=1000,
        )
        rates = FaultRates.evenly(scene.fault_share, late_s=LATE_S) if scene.fault_share else FaultRates(late_s=LATE_S)
        self.faults = {s.name: FaultPlan(Random(rng.random()), rates) for s in (self.a, self.b)}
        self.inline = Inline(before_commit=self._maybe_cut, after_commit=self._maybe_cut)
        self.raw_store = open_store("sqlite://", executor=self.inline, clock=self.clock)
        self.store = self.wrap_store(self.raw_store)
        self.flow = FlowSpec(name=FLOW, source=SOURCE, destination=DESTINATION)
        self.workers = [Worker(f"w{i}", PausableClock(self.loop)) for i in range(scene.workers)]
        self.cut_in: int | None = None
        self.active: Worker | None = None
        self.a.hooks.listen(self._door)

    def _hub(self, worker: Worker) -> Hub:
        connectors = {
            name: MemoryConnector(
                shop,
                clock=worker.clock,
                rng=Random(self.rng.random()),
                faults=self.faults[shop.name],
                latency_s=(0.01, 0.4),
                limits=Limits(read_batch=20, write_batch=5, page=3),
                owner=worker.name,
            )
            for name, shop in ((SOURCE, self.a), (DESTINATION, self.b))
        }
        return Hub(
            store=self.store_of(worker),
            connectors=connectors,
            flows=[self.flow],
            clock=worker.clock,
            rng=Random(self.rng.random()),
            options=HubOptions(
                holder=f"{worker.name}-{self.rng.randrange(10**6)}",
                exclusive=self.scene.workers == 1,
                lease_s=5.0,
                probe_s=5.0,
            ),
            safety=self.safety,
        )

    # --- living ------------------------------------------------------------------------------------------------------

    def start(self, worker: Worker) -> None:
        worker.clock.go_on()
        worker.dead = False
        worker.hub = self._hub(worker)
        worker.task = self.loop.create_task(worker.hub.run(ticking=False), name=worker.name)
        self.note(f"start {worker.name}")

    async def kill(self, worker: Worker) -> None:
        if worker.task is None:
            return
        self.note(f"kill {worker.name}")
        worker.clock.go_on()  # a killed process does nothing more, also not when it was stopped
        worker.dead = True
        worker.task.cancel()
        await asyncio.wait([worker.task])
        self._bury(worker)

    @staticmethod
    def _bury(worker: Worker) -> None:
        """Look at how it died, so that nobody complains that nobody looked."""
        if worker.task is not None and worker.task.done() and not worker.task.cancelled():
            worker.task.exception()
        worker.hub = None

    def note(self, text: str) -> None:
        self.trace.append(f"{self.loop.time():10.3f} {text}")

    def _maybe_cut(self, name: str) -> None:
        """Called on both sides of every commit."""
        if self.cut_in is None or self.active is None:
            return
        self.cut_in -= 1
        if self.cut_in <= 0:
            self.cut_in = None
            self.active.dead = True
            self.note(f"cut {self.active.name} at {name}")
            raise PowerCut(name)

    def store_of(self, worker: Worker) -> Store:
        """The store as one process sees it: when the process is dead, it does nothing any more."""
        return cast("Store", _Mortal(self, worker, self.store))

    def _door(self, notice: Notice) -> bool:
        """The webhook door: any living worker's; accepted means durable."""
        for worker in self.workers:
            if worker.alive and worker.hub is not None:
                try:
                    at_once(worker.hub.journal.accept([notice]))
                except PowerCut:
                    assert worker.task is not None
                    worker.task.cancel()
                    return False
                return True
        return False

    async def _live(self) -> None:
        from tests.simulation.life import Merchant

        scene = self.scene
        merchant = Merchant(self.a, Random(self.rng.random()), self.note)
        merchant.open_shop(scene.products)
        for worker in self.workers:
            self.start(worker)
        await self._first_sync()
        events: list[tuple[float, str]] = []
        events += [(self.rng.uniform(0, scene.span_s), "edit") for _ in range(scene.edits)]
        events += [(self.rng.uniform(0, scene.span_s), "kill") for _ in range(scene.kills)]
        events += [(self.rng.uniform(0, scene.span_s), "cut") for _ in range(scene.cuts)]
        events += [(self.rng.uniform(0, scene.span_s), "pause") for _ in range(scene.pauses)]
        started = self.loop.time()
        for at, what in sorted(events):
            await self._until(started + at)
            await self._happen(what, merchant)

    async def _happen(self, what: str, merchant: Any) -> None:
        worker = self.rng.choice(self.workers)
        if what == "edit":
            merchant.act()
        elif what == "kill":
            await self.kill(worker)
            self.loop.call_later(self.rng.uniform(0.0, 8.0), self._revive)
        elif what == "cut":
            self.cut_in = self.rng.randint(1, 6)
        elif what == "pause" and worker.alive:
            self.note(f"pause {worker.name}")
            worker.clock.pause()
            self.loop.call_later(self.rng.uniform(1.0, 15.0), worker.clock.go_on)

    def _revive(self) -> None:
        for worker in self.workers:
            if not worker.alive:
                self._bury(worker)
                self.start(worker)

    async def _first_sync(self) -> None:
        """A person's first full pass; repeated until it went through."""
        while True:
            self._revive()
            hub = next(w.hub for w in self.workers if w.hub is not None and w.alive)
            task = self.loop.create_task(hub.full(self.flow))
            await asyncio.wait([task])
            if not task.cancelled() and task.exception() is None:
                return
            await asyncio.sleep(0.5)

    async def _until(self, at: float) -> None:
        while self.loop.time() < at:
            await asyncio.sleep(min(0.25, at - self.loop.time()))
            self._tick()

    def _tick(self) -> None:
        self.a.touch()
        self.b.touch()
        for worker in self.workers:
            if worker.task is not None and worker.task.done():
                self._bury(worker)
                self.start(worker)

    # --- the end -----------------------------------------------------------------------------------------------------

    async def _calm_down(self) -> None:
        self.note("calm")
        self.cut_in = None
        for plan in self.faults.values():
            plan.calm()
        for worker in self.workers:
            worker.clock.go_on()
        rounds = 2 if self.scene.sweep_at_end else 1
        for _ in range(rounds):
            await self._quiet()
            if self.scene.sweep_at_end:
                await asyncio.sleep(11 * 60)
                await self._first_sync()
        await self._quiet()

    async def _quiet(self) -> None:
        """Until nothing is due and nothing can land any more."""
        quiet_since: float | None = None
        gives_up = self.loop.time() + 3 * 3600
        while self.loop.time() < gives_up:
            await asyncio.sleep(0.5)
            self._tick()
            busy = any(b.dirty + b.backing_off for b in at_once(self.raw_store.backlog(self.clock.now())))
            if busy or self.a.next_at is not None or self.b.next_at is not None:
                quiet_since = None
            elif quiet_since is None:
                quiet_since = self.loop.time()
            elif self.loop.time() - quiet_since > 5.0:
                return
        self.note("never quiet")

    def _judge(self) -> list[str]:
        ignore = ("name", "price") if self.scene.lossy else ()
        wrong = compare(self.a.truth(), self.b.truth(), hidden_is_gone=True, ignore=ignore)
        created: dict[tuple[str, str], int] = {}
        for effect in self.b.log.effects:
            if effect.verb == "create" and effect.by != "merchant":
                name = (str(effect.kind), effect.identity)
                created[name] = created.get(name, 0) + 1
        wrong += [f"{kind} {name} was created {n} times" for (kind, name), n in created.items() if n > 1]
        for mark in at_once(self.raw_store.marks(limit=50)):
            wrong.append(f"{mark.key.kind} {mark.key.key} is still {mark.state}: {mark.reason_code} {mark.reason}")
        return wrong


class _Mortal:
    """A store in the hands of a process that may die."""

    def __init__(self, world: World, worker: Worker, store: Store) -> None:
        self._world, self._worker, self._store = world, worker, store

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self._worker.dead:
                raise PowerCut(name)
            self._world.active = self._worker
            try:
                return await method(*args, **kwargs)
            finally:
                self._world.active = None

        return call


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("this coroutine waits for something")
