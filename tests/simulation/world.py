"""One simulated world: two shops, a store that survives, and hubs that are killed, paused and started again.

The oracle is outside the program: the shops know what they hold and who wrote it (``judge``). What kind of world it
is stands in its scene (``scenes``), what goes wrong beyond single calls in ``troubles``.
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
from storeweave.connectors.memory.faults import Fault, FaultPlan, FaultRates
from storeweave.connectors.memory.hooks import NoticeFaults
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.connectors.memory.state import Rules
from storeweave.engine.safety import ALL_RULES, SafetyRules
from storeweave.model.flow import BrakeLimits, FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName, Kind
from storeweave.model.records import Notice
from storeweave.model.state import LaneHold
from storeweave.ports.connector import Connector
from storeweave.ports.store import Store
from storeweave.storage.executor import Inline
from storeweave.storage.store import open_store
from tests.simulation.judge import Ownership, created_twice, differences, wrongly_hidden
from tests.simulation.life import Merchant
from tests.simulation.replicas import TwoReplicas
from tests.simulation.scenes import Scene
from tests.simulation.troubles import TROUBLES, Trouble, still_waiting
from tests.simulation.virtual import PausableClock, VirtualClock, at_once

SOURCE, DESTINATION, FLOW = ConnectionName("a"), ConnectionName("b"), FlowName("a-to-b")
LATE_S = 8.0
LEASE_S = 5.0
POLL_S = 7.0


class PowerCut(BaseException):
    """The process is gone. Not an Exception: nothing in the program may catch it."""


@dataclass(slots=True)
class Life:
    """One life of a process, from its start to its end."""

    who: str
    loop: asyncio.AbstractEventLoop
    dead: bool = False


StoreMutant = Callable[[Store, Life], Store]
"""Makes the store that one life sees; what it does wrong is what a test wants noticed."""
SourceMutant = Callable[[Connector, Life], Connector]
"""The same for the source."""


@dataclass(slots=True)
class Worker:
    """One process of the program."""

    name: str
    clock: PausableClock
    life: Life
    hub: Hub | None = None
    task: asyncio.Task[None] | None = None
    back_at: float = 0.0

    @property
    def alive(self) -> bool:
        return self.task is not None and not self.task.done()


@dataclass
class World:
    """Everything of one run."""

    seed: int
    scene: Scene
    safety: SafetyRules = ALL_RULES
    store_mutant: StoreMutant | None = None
    source_mutant: SourceMutant | None = None
    cut_at: int | None = None
    """The side of a commit at which a process dies, counted from the start; None: as the scene says."""
    was_cut: bool = False
    restless: bool = False
    trace: list[str] = field(default_factory=list)

    async def run(self) -> list[str]:
        """Live, crash, calm down; what is wrong at the end, one line each."""
        self._open()
        await self._live()
        await self._calm_down()
        wrong = await self._judge()
        for worker in self.workers:
            await self.kill(worker)
        await self.raw_store.close()
        self.trace += [f"{e.at:10.3f} {e.by} {e.verb} {e.kind} {e.key} {e.detail}" for e in self.b.log.effects]
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
        for shop in (self.a, self.b):
            if shop.read_lag_s and scene.replicas > 1:
                for kind in Kind:
                    shop._late_views[kind] = TwoReplicas(Random(rng.random()), lag_s=shop.read_lag_s)
        self.faults = {s.name: FaultPlan(Random(rng.random()), _rates(scene)) for s in (self.a, self.b)}
        self.inline = Inline(before_commit=self._maybe_cut, after_commit=self._maybe_cut)
        self.raw_store = open_store("sqlite://", executor=self.inline, clock=self.clock)
        brakes = BrakeLimits(
            deletes=scene.limit,
            deletes_share=0.0,
            values=scene.limit,
            values_share=0.0,
            loop_writes=scene.loop_writes,
        )
        self.flow = FlowSpec(name=FLOW, source=SOURCE, destination=DESTINATION, brakes=brakes)
        self.ownership = Ownership()
        self.workers = [
            Worker(name, PausableClock(self.loop), Life(name, self.loop))
            for name in (f"w{i}" for i in range(scene.workers))
        ]
        self.cut_in: int | None = self.cut_at
        self.active: Worker | None = None
        self.errands: set[asyncio.Task[Any]] = set()
        trouble = TROUBLES.get(scene.sort)
        self.trouble: Trouble | None = trouble() if trouble else None
        self.troubled = False
        self.merchant = Merchant(self.a, Random(self.rng.random()), self.note, habits=scene.habits, sloppy=scene.lossy)
        if not scene.polled:
            self.a.hooks.listen(self._door)

    def _hub(self, worker: Worker) -> Hub:
        fed = frozenset(Kind) if self.scene.polled else frozenset[Kind]()
        hooked = frozenset[Kind]() if self.scene.polled else frozenset(Kind)
        connectors: dict[ConnectionName, Connector] = {
            name: MemoryConnector(
                shop,
                clock=worker.clock,
                rng=Random(self.rng.random()),
                faults=self.faults[shop.name],
                latency_s=self.scene.latency_s,
                limits=Limits(read_batch=20, write_batch=5, page=3, fed=fed, hooked=hooked),
                owner=worker.name,
            )
            for name, shop in ((SOURCE, self.a), (DESTINATION, self.b))
        }
        if self.source_mutant is not None:
            connectors[SOURCE] = self.source_mutant(connectors[SOURCE], worker.life)
        return Hub(
            store=self._store_of(worker),
            connectors=connectors,
            flows=[self.flow],
            clock=worker.clock,
            rng=Random(self.rng.random()),
            options=HubOptions(
                holder=f"{worker.name}-{self.rng.randrange(10**6)}",
                exclusive=self.scene.workers == 1,
                lease_s=LEASE_S,
                probe_s=5.0,
            ),
            safety=self.safety,
        )

    def _store_of(self, worker: Worker) -> Store:
        """The store as one life sees it: when it is over, it does nothing any more."""
        mortal = cast("Store", _Mortal(self, worker, worker.life, self.raw_store))
        return self.store_mutant(mortal, worker.life) if self.store_mutant is not None else mortal

    # --- processes that live and die ---------------------------------------------------------------------------------

    def start(self, worker: Worker) -> None:
        """A new process."""
        worker.clock.go_on()
        worker.life = Life(worker.name, self.loop)
        worker.hub = self._hub(worker)
        worker.task = self.loop.create_task(worker.hub.run(ticking=False), name=worker.name)
        self.note(f"start {worker.name}")

    async def kill(self, worker: Worker) -> None:
        """The end of a process. It does nothing more, also not when it was stopped."""
        if worker.task is None:
            return
        self.note(f"kill {worker.name}")
        self._die(worker)
        worker.clock.go_on()
        worker.task.cancel()
        await asyncio.wait([worker.task])
        self._bury(worker)

    def _die(self, worker: Worker) -> None:
        worker.life.dead = True
        worker.back_at = self.loop.time() + self.rng.uniform(*self.scene.restart_s)

    @staticmethod
    def _bury(worker: Worker) -> None:
        """Look at how it died, so that nobody complains that nobody looked."""
        if worker.task is not None and worker.task.done() and not worker.task.cancelled():
            worker.task.exception()
        worker.hub = None

    def _maybe_cut(self, name: str) -> None:
        """Called on both sides of every commit."""
        if self.cut_in is None or self.active is None:
            return
        self.cut_in -= 1
        if self.cut_in < 0:
            self.cut_in, self.was_cut = None, True
            self._die(self.active)
            self.note(f"cut {self.active.name} at {name}")
            raise PowerCut(name)

    def _door(self, notice: Notice) -> bool:
        """The webhook door: any living worker's; accepted means durable."""
        for worker in self.workers:
            if worker.alive and worker.hub is not None and not worker.life.dead:
                try:
                    at_once(worker.hub.journal.accept([notice]))
                except PowerCut:
                    assert worker.task is not None
                    worker.task.cancel()
                    return False
                return True
        return False

    # --- living ------------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        scene = self.scene
        self.merchant.open_shop(scene.products)
        for worker in self.workers:
            self.start(worker)
        await self.full_pass()
        events: list[tuple[float, str]] = []
        for what, times in (("edit", scene.edits), ("kill", scene.kills), ("cut", scene.cuts), ("pause", scene.pauses)):
            events += [(self.rng.uniform(0, scene.span_s), what) for _ in range(times)]
        if self.trouble is not None:
            events.append((self.rng.uniform(0.3, 0.6) * scene.span_s, "trouble"))
        events += [(self.rng.uniform(0, scene.span_s), "pass") for _ in range(scene.passes)]
        if scene.polled:
            events += [(at * POLL_S, "poll") for at in range(1, int(scene.span_s / POLL_S))]
        started = self.loop.time()
        for at, what in sorted(events):
            await self.wait(started + at - self.loop.time())
            await self._happen(what)

    async def _happen(self, what: str) -> None:
        worker = self.rng.choice(self.workers)
        if what == "edit":
            self.merchant.act()
        elif what == "kill":
            await self.kill(worker)
        elif what == "cut" and self.cut_at is None:
            self.cut_in = self.rng.randint(0, 5)
        elif what == "pass":
            self.ask_for_full_pass()
        elif what == "poll":
            self._errand(lambda hub: hub.poll_all())
        elif what == "trouble" and self.trouble is not None:
            self.note(f"trouble: {self.scene.sort}")
            if not self.scene.limit >= self.scene.products:
                await self.quiet()
            self.trouble.begin(self)
            self.troubled = True
            self.loop.call_later(self.trouble.lasts_s, self._end_trouble)
        elif what == "pause" and worker.alive:
            self.note(f"pause {worker.name}")
            worker.clock.pause()
            self.loop.call_later(self.rng.uniform(*self.scene.pause_s), worker.clock.go_on)

    def _end_trouble(self) -> None:
        if self.trouble is not None and self.troubled:
            self.note("trouble is over")
            self.troubled = False
            self.trouble.end(self)

    def ask_for_full_pass(self, *, destination_too: bool = False) -> asyncio.Task[Any] | None:
        """Somebody compares everything; None when no process is there to do it."""
        return self._errand(lambda hub: hub.full(self.flow, destination_too=destination_too))

    def _errand(self, errand: Callable[[Hub], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any] | None:
        hub = next((w.hub for w in self.workers if w.hub is not None and w.alive and not w.life.dead), None)
        if hub is None:
            return None
        task = self.loop.create_task(errand(hub))
        self.errands.add(task)
        task.add_done_callback(self._errand_done)
        return task

    def _errand_done(self, task: asyncio.Task[Any]) -> None:
        self.errands.discard(task)
        if not task.cancelled():
            task.exception()

    async def full_pass(self, *, destination_too: bool = False) -> None:
        """One full pass, repeated until it went through."""
        while True:
            self._tick()
            task = self.ask_for_full_pass(destination_too=destination_too)
            if task is not None:
                await asyncio.wait([task])
                if not task.cancelled() and task.exception() is None:
                    return
            await asyncio.sleep(0.5)

    async def wait(self, wait_s: float) -> None:
        """Let time pass."""
        until = self.loop.time() + wait_s
        while self.loop.time() < until:
            await asyncio.sleep(min(0.25, until - self.loop.time()))
            self._tick()

    def _tick(self) -> None:
        self.a.touch()
        self.b.touch()
        if self.troubled and self.trouble is not None:
            self.trouble.touch(self)
        for worker in self.workers:
            if worker.task is not None and worker.task.done() and self.loop.time() >= worker.back_at:
                self._bury(worker)
                self.start(worker)

    def note(self, text: str) -> None:
        """Into the diary."""
        self.trace.append(f"{self.loop.time():10.3f} {text}")

    # --- the end -----------------------------------------------------------------------------------------------------

    async def _calm_down(self) -> None:
        while self.troubled:
            await self.wait(1.0)
        self.note("calm")
        self.cut_in = None
        for plan in self.faults.values():
            plan.calm()
        for worker in self.workers:
            worker.clock.go_on()
        await self.quiet()
        if self.scene.polled:
            for _ in range(2):
                await self.wait(POLL_S)
                self._errand(lambda hub: hub.poll_all())
                await self.quiet()
        if self.scene.sweep_at_end:
            for _ in range(2):
                await self.wait(11 * 60)
                await self.full_pass()
                await self.quiet()

    async def quiet(self) -> None:
        """Until nothing is due and nothing can land any more. A world that found no rest once is given up."""
        quiet_since: float | None = None
        gives_up = self.loop.time() + 40 * 60
        while self.loop.time() < gives_up and not self.restless:
            await asyncio.sleep(0.5)
            self._tick()
            busy = any(b.dirty + b.backing_off for b in at_once(self.raw_store.backlog(self.clock.now())))
            if busy or self.errands or self.a.next_at is not None or self.b.next_at is not None:
                quiet_since = None
            elif quiet_since is None:
                quiet_since = self.loop.time()
            elif self.loop.time() - quiet_since > 5.0:
                return
        self.restless = True

    async def _judge(self) -> list[str]:
        lossy, trouble = self.scene.lossy, self.trouble
        wrong: list[str] = []
        if trouble is not None:
            wrong += trouble.look(self)
            wrong += differences(self.a, self.b, lossy=lossy, excused=trouble.excused(self))
            wrong += still_waiting(self, trouble)
            await trouble.mend(self)
            await self.quiet()
        wrong += differences(self.a, self.b, lossy=lossy)
        wrong += created_twice(self.b)
        wrong += wrongly_hidden(self.a, self.b)
        wrong += self.ownership.intruders(self.b.log.sendings)
        wrong += still_waiting(self, None)
        if self.restless:
            return [*wrong, "it never comes to rest"]
        before = len(self.b.log.effects)
        await self.full_pass(destination_too=True)
        await self.quiet()
        if not wrong and len(self.b.log.effects) > before:
            wrong.append(f"a full pass over shops that agree wrote {len(self.b.log.effects) - before} times")
        return wrong


def _rates(scene: Scene) -> FaultRates:
    rates = FaultRates.evenly(scene.fault_share, late_s=LATE_S) if scene.fault_share else FaultRates(late_s=LATE_S)
    late = {Fault.LATE: rates.write.get(Fault.LATE, 0.0) + scene.late_share}
    return msgspec.structs.replace(rates, write={**rates.write, **late}, orphaned=scene.orphaned)


class _Mortal:
    """A store in the hands of a process that may die; what it says about the lane, the judge hears."""

    def __init__(self, world: World, worker: Worker, life: Life, store: Store) -> None:
        self._world, self._worker, self._life, self._store = world, worker, life, store

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self._life.dead:
                raise PowerCut(name)
            self._world.active = self._worker
            try:
                result = await method(*args, **kwargs)
            finally:
                self._world.active = None
            hold = result if name == "take_lane" else args[0] if name == "renew_lane" and result else None
            if isinstance(hold, LaneHold) and hold.lane == self._world.flow.lane:
                self._world.ownership.owns(self._life.who, self._world.loop.time(), LEASE_S)
            return result

        return call
