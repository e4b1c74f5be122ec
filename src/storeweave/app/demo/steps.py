"""One step of the demo: something happens, its effect is awaited in store B, and what it took is counted.

Latencies are real: from the deed in store A until B shows it. Calls are what the twins themselves counted.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from storeweave.app.demo.world import World
from storeweave.twinkit.calls import CallLog

LOOK_S = 0.004


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long the demo waits before it calls something failed.

    ``rest_s``: for second looks and confirmations after an effect was seen; what takes longer goes on beside the next
    step. ``load_s``: a first load in which nothing moves for so long.
    """

    step_s: float = 12.0
    rest_s: float = 4.0
    load_s: float = 30.0


Seen = Callable[[], bool | Awaitable[bool]]
Deed = Callable[[], Awaitable[object] | object]


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one step or of all: reads at A and B, writes at B."""

    reads_a: int = 0
    reads_b: int = 0
    writes_b: int = 0

    @property
    def reads(self) -> int:
        return self.reads_a + self.reads_b

    def __str__(self) -> str:
        return f"{counted(self.writes_b, 'write')}, {counted(self.reads, 'read')}"


def counted(count: int, thing: str) -> str:
    """``1 write``, ``2 writes``."""
    return f"{count} {thing}" if count == 1 else f"{count:,} {thing}s"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one scene."""

    number: int
    name: str
    title: str
    detail: str
    notice: str  # how the hub learned of it: topics of webhooks, or what else made it look
    webhooks: int
    written: str  # the write calls at B, by route
    ok: bool
    latency_ms: float | None
    calls: Spent
    by_webhook: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One thing to happen. ``deed`` happens in a store; ``nudge`` is what makes the hub look, where no webhook tells.

    The clock starts before ``nudge`` where ``by`` names one, before ``deed`` otherwise. ``timed`` False: its duration
    says nothing about the hub (an outage lasts as long as it lasts). ``note`` is asked when all is over.
    """

    name: str
    title: str
    detail: str
    deed: Deed
    seen: Seen
    by: str = ""
    nudge: Deed | None = None
    timed: bool = True
    rests: bool = True  # False: it leaves work behind on purpose
    note: Callable[[], str | Awaitable[str]] | None = None


class Counting:
    """Counts the calls of both stores from now on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._a, self._b = _figures(world.a.calls), _figures(world.b.calls)
        self._routes = Counter(world.b.calls.by_route)

    def spent(self) -> Spent:
        a, b = _figures(self._world.a.calls), _figures(self._world.b.calls)
        return Spent(reads_a=a[0] - self._a[0], reads_b=b[0] - self._b[0], writes_b=b[1] - self._b[1])

    def writes(self) -> str:
        """The write calls at B in few words: ``PUT products, 2 POST images``."""
        routes = Counter(self._world.b.calls.by_route) - self._routes
        found: Counter[str] = Counter()
        for route, count in routes.items():
            method, _, path = route.partition(" ")
            if method != "GET":
                found[f"{method} {_thing(path)}"] += count
        return ", ".join(name if count == 1 else f"{count} {name}" for name, count in found.items())


def _figures(log: CallLog) -> tuple[int, int]:
    return log.reads, log.writes


def _thing(path: str) -> str:
    """The last thing that a path names: ``/v3/catalog/products/{id}/options`` is ``options``."""
    return next((part for part in reversed(path.split("/")) if part and not part.startswith("{")), path)


async def play(world: World, number: int, scene: Scene, patience: Patience) -> Step:
    """Let it happen, await its effect at B within the deadline, let the hub come to rest, and count."""
    counting = Counting(world)
    topics = len(world.inbox.topics)
    started = world.clock.monotonic()
    await _done(scene.deed)
    if scene.nudge is not None:
        started = world.clock.monotonic()
        await _done(scene.nudge)
    ok = await until(world, scene.seen, patience.step_s)
    took_s = world.clock.monotonic() - started
    if scene.rests:
        await at_rest(world, patience.rest_s)
    note = ""
    if scene.note is not None:
        said = scene.note()
        note = await said if inspect.isawaitable(said) else said
    if not ok:
        note = f"did not arrive within {patience.step_s:g} s{f'; {note}' if note else ''}"
    return Step(
        number=number,
        name=scene.name,
        title=scene.title,
        detail=scene.detail,
        notice=scene.by or _told(world.inbox.topics[topics:]),
        webhooks=len(world.inbox.topics) - topics,
        written=counting.writes(),
        ok=ok,
        latency_ms=round(took_s * 1000, 1) if scene.timed else None,
        calls=counting.spent(),
        by_webhook=not scene.by,
        note=note,
    )


def _told(topics: list[str]) -> str:
    counted = Counter(topics)
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in counted.items())


async def _done(deed: Deed) -> None:
    result = deed()
    if inspect.isawaitable(result):
        await result


async def until(world: World, seen: Seen, deadline_s: float) -> bool:
    """Await a condition; False when the deadline passes first."""
    ends_at = world.clock.monotonic() + deadline_s
    while True:
        result = seen()
        if await result if inspect.isawaitable(result) else result:
            return True
        if world.clock.monotonic() >= ends_at:
            return False
        await world.clock.sleep(LOOK_S)


async def at_rest(world: World, deadline_s: float) -> bool:
    """Await that no key is dirty and no webhook is on its way; False when that takes longer."""

    async def resting() -> bool:
        backlog = await world.store.backlog(world.clock.now())
        return not len(world.a.deliveries) and not sum(b.dirty + b.backing_off for b in backlog)

    return await until(world, resting, deadline_s)
