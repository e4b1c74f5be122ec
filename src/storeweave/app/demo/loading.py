"""The first chapter: the first load of an empty store, watched while it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from storeweave.app.demo.view import Loading
from storeweave.app.demo.world import A, B, World
from storeweave.engine.sweep import Listing

LOOK_S = 0.1


class _Watch:
    """Puts together what the pass says, what the twins hold and what the purses know."""

    def __init__(self, world: World) -> None:
        shop = world.a.shop
        self._world = world
        self._started = world.clock.monotonic()
        self._listings: dict[str, Listing] = {}
        self._total = len(shop.entries) + len(shop.categories) + len(shop.brands)

    async def told(self, _: str, found: Listing) -> None:
        self._listings[found.kind] = found

    def now(self, *, done: bool = False) -> Loading:
        world, there = self._world, self._world.b.shop
        return Loading(
            total=self._total,
            read=sum(found.records for found in self._listings.values()),
            planned=sum(found.marked for found in self._listings.values()),
            written=len(there.entries) + len(there.categories) + len(there.brands),
            products=len(there.entries),
            elapsed_s=round(world.clock.monotonic() - self._started, 2),
            reads_a=world.a.calls.reads,
            reads_b=world.b.calls.reads,
            writes_b=world.b.calls.writes,
            left_a=world.purses[A].left,
            left_b=world.purses[B].left,
            quota=world.purses[B].quota,
            done=done,
        )


async def first_load(world: World, show: Callable[[Loading], None], idle_s: float) -> Loading:
    """Load everything; how it ended. ``done`` False: nothing moved for ``idle_s``, or it ended too early."""
    watch = _Watch(world)
    load = asyncio.create_task(_load(world, watch))
    moved_at, last = world.clock.monotonic(), -1
    try:
        while not load.done():
            await asyncio.wait((load,), timeout=LOOK_S)
            now = watch.now()
            show(now)
            if (progress := now.read + now.written) != last:
                moved_at, last = world.clock.monotonic(), progress
            elif world.clock.monotonic() - moved_at > idle_s:
                return now
        await load
        final = watch.now(done=True)
        final = msgspec.structs.replace(final, done=final.written >= final.total)
        show(final)
        return final
    finally:
        load.cancel()


async def _load(world: World, watch: _Watch) -> None:
    await world.hub.full(world.flow, progress=watch.told)
    await world.hub.idle()
