"""What may go wrong beyond single calls, and what a person does about it afterwards.

A trouble begins and ends while the world lives. When all is quiet, ``look`` says what it must not have done, and
``mend`` is the person's part: then both shops must agree without exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from storeweave.connectors.memory.faults import Fault
from storeweave.model.kinds import Key, Kind
from storeweave.model.state import MarkState
from tests.simulation.judge import hidden_products
from tests.simulation.virtual import at_once

if TYPE_CHECKING:
    from tests.simulation.world import World

_LONG_S = 30.0
_HIGH = Decimal(50)


class Trouble:
    """Nothing special."""

    lasts_s = _LONG_S

    def begin(self, world: World) -> None:
        """Now."""

    def end(self, world: World) -> None:
        """Over."""

    def touch(self, world: World) -> None:
        """A quarter of a second has passed in which it was under way."""

    def excused(self, world: World) -> set[str]:
        """Names of products that need not agree before it is mended."""
        del world
        return set()

    def look(self, world: World) -> Sequence[str]:
        """What it must not have done."""
        del world
        return ()

    async def mend(self, world: World) -> None:
        """What a person does."""


class Outage(Trouble):
    """The destination is down."""

    def begin(self, world: World) -> None:
        world.faults["b"].outage = Fault.FAILED

    def end(self, world: World) -> None:
        world.faults["b"].outage = None


class Locked(Trouble):
    """Somebody's credentials have expired."""

    def begin(self, world: World) -> None:
        self.where = world.rng.choice("ab")
        world.faults[self.where].outage = Fault.BLOCKED

    def end(self, world: World) -> None:
        world.faults[self.where].outage = None


class Poisoned(Trouble):
    """The destination will not take one product."""

    def begin(self, world: World) -> None:
        self.key, self.names = _some_product(world)
        world.faults["b"].poison |= self.names

    def excused(self, world: World) -> set[str]:
        return self.names | _names(world, self.key)

    async def mend(self, world: World) -> None:
        world.faults["b"].poison.clear()
        if self.key in world.a.records[Kind.PRODUCT]:  # a new notice gives it a fresh run
            world.a.edit_product(self.key, description="mended")
        retry_parked(world)


class Stumbling(Trouble):
    """Our own code has a mistake that one product brings to light: while reading, or while writing."""

    def begin(self, world: World) -> None:
        self.key, self.names = _some_product(world)
        if world.rng.random() < 0.5 and not world.scene.sweep_at_end:
            world.faults["a"].buggy_reads |= self.names
        else:
            world.faults["b"].buggy |= self.names

    def excused(self, world: World) -> set[str]:
        return self.names | _names(world, self.key)

    async def mend(self, world: World) -> None:
        for plan in world.faults.values():
            plan.buggy.clear()
            plan.buggy_reads.clear()
        retry_parked(world)


class Lies(Trouble):
    """The source's listings are empty or lack pages, with status 200, while sweeps run."""

    lasts_s = 23 * 60.0

    def begin(self, world: World) -> None:
        world.faults["a"].outage = world.rng.choice((Fault.EMPTY, Fault.MISSING_PAGE))
        for minutes in (0, 11, 22):
            world.loop.call_later(minutes * 60, world.ask_for_full_pass)

    def end(self, world: World) -> None:
        world.faults["a"].outage = None


class Wiped(Trouble):
    """Somebody deletes most of the catalogue."""

    def begin(self, world: World) -> None:
        for key in sorted(world.a.records[Kind.PRODUCT])[2:]:
            world.a.delete_product(key)

    def excused(self, world: World) -> set[str]:
        return set(world.b.truth()["product"]) - set(world.a.truth()["product"])

    def look(self, world: World) -> Sequence[str]:
        hidden = hidden_products(world.b)
        return [f"{len(hidden)} products were hidden"] if len(hidden) > world.scene.limit else ()

    async def mend(self, world: World) -> None:
        release_brakes(world)


class Mispriced(Trouble):
    """An import goes wrong; somebody corrects it, or wants it so."""

    def begin(self, world: World) -> None:
        self.before = {k: r.fields.get("price") for k, r in world.a.records[Kind.PRODUCT].items()}
        for key, price in sorted(self.before.items()):
            if isinstance(price, Decimal):
                world.a.edit_product(key, price=price * 10)

    def excused(self, world: World) -> set[str]:
        return set(world.a.truth()["product"]) | set(world.b.truth()["product"])

    def look(self, world: World) -> Sequence[str]:
        moved = [r for r in world.b.records[Kind.PRODUCT].values() if _is_high(r.fields.get("price"))]
        return [f"{len(moved)} prices moved tenfold"] if len(moved) > world.scene.limit else ()

    async def mend(self, world: World) -> None:
        if world.rng.random() < 0.5:
            release_brakes(world)
            return
        for key, price in sorted(self.before.items()):
            record = world.a.records[Kind.PRODUCT].get(key)
            if record is not None and _is_high(record.fields.get("price")):
                world.a.edit_product(key, price=price)
        await world.quiet()
        release_brakes(world)  # of what moved down again


class Rival(Trouble):
    """Another program reads our price at the destination and sets another one at the source, for ever."""

    lasts_s = 80.0
    most_writes = 16  # some of them are the merchant's own prices

    def begin(self, world: World) -> None:
        self.key, self.names = _some_product(world)
        self.next_at = 0.0

    def touch(self, world: World) -> None:
        if world.loop.time() < self.next_at or self.key not in world.a.records[Kind.PRODUCT]:
            return
        self.next_at = world.loop.time() + 2.0
        now = world.a.records[Kind.PRODUCT][self.key].fields.get("price")
        world.a.edit_product(self.key, price=Decimal("10.5") if now == Decimal("9.5") else Decimal("9.5"))

    def excused(self, world: World) -> set[str]:
        return self.names | _names(world, self.key)

    def look(self, world: World) -> Sequence[str]:
        there = [k for k, r in world.b.records[Kind.PRODUCT].items() if str(r.fields.get("sku")) in self.names]
        writes = [e for e in world.b.log.writes(Kind.PRODUCT) if e.key in there and e.detail == ("price",)]
        return [f"{len(writes)} writes to and fro"] if len(writes) > self.most_writes else ()

    async def mend(self, world: World) -> None:
        await world.wait(11 * 60)
        retry_parked(world)


TROUBLES: dict[str, type[Trouble]] = {
    "outage": Outage,
    "locked": Locked,
    "poison": Poisoned,
    "bug": Stumbling,
    "lies": Lies,
    "wiped": Wiped,
    "misprice": Mispriced,
    "rival": Rival,
}


def retry_parked(world: World) -> None:
    """A person's ``storeweave retry``."""
    at_once(world.raw_store.retry_parked(flow=None, reason_code=None, now=world.clock.now()))


def release_brakes(world: World) -> None:
    """A person looks at each brake and lets pass what it shows."""
    for brake in at_once(world.raw_store.brakes()):
        at_once(
            world.raw_store.release_brake(brake.id, count=brake.held, list_hash=brake.list_hash, now=world.clock.now())
        )


def still_waiting(world: World, trouble: Trouble | None) -> list[str]:
    """Marks that nobody works on and no trouble explains."""
    found = []
    for mark in at_once(world.raw_store.marks(limit=200)):
        if trouble is not None and mark.state is not MarkState.DIRTY:
            names = _names(world, mark.key.key) if mark.key.kind is Kind.PRODUCT else set()
            if not names or names & trouble.excused(world):
                continue
        found.append(f"{mark.key.kind} {mark.key.key} is still {mark.state}: {mark.reason_code} {mark.reason}")
    return found


def _some_product(world: World) -> tuple[Key, set[str]]:
    """A product with a SKU, and the names by which faults know it."""
    products = world.a.records[Kind.PRODUCT]
    keys = [k for k in sorted(products) if products[k].fields.get("sku")]
    key = world.rng.choice(keys) if keys else world.a.create_product("Late comer", sku="LATE", is_visible=True)
    return key, _names(world, key)


def _names(world: World, key: Key) -> set[str]:
    """All SKUs (or names) that a product of the source ever had: the destination may still know an older one."""
    return {e.identity for e in world.a.log.effects if e.kind is Kind.PRODUCT and e.key == key and e.identity}


def _is_high(price: object) -> bool:
    return isinstance(price, Decimal) and price > _HIGH
