"""The outside world of these tests, a process of its own: one source and some destinations, and a diary of writes.

``python -m tests.scaleout.shops DESTINATIONS`` prints its port. It outlives the workers that are killed and paused, so
what they have sent takes effect; and it alone knows who wrote what and when.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from storeweave.connectors.memory.connector import Limits, MemoryConnector
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Change, Outcome
from storeweave.ports.clock import SystemClock
from storeweave.ports.permit import Permit
from tests.scaleout.diary import Writing
from tests.scaleout.wire import answer_with

SOURCE = "source"
ANYBODY = "*"
LIMITS = Limits(kinds=(Kind.PRODUCT,), read_batch=250, write_batch=10, page=250)


def destination(number: int) -> str:
    return f"shop-{number}"


class Shops:
    """All shops. Writes of an owner who is held are under way until they are let go."""

    def __init__(self, destinations: int) -> None:
        self.clock = SystemClock()
        names = [SOURCE, *(destination(n) for n in range(destinations))]
        self.shops = {
            name: MemoryShop(name, clock=self.clock, first_key=1000 * n) for n, name in enumerate(names, start=1)
        }
        self.connectors: dict[tuple[str, str], MemoryConnector] = {}
        self.diary: list[Writing] = []
        self.write_s = 0.0
        self.held: dict[str, asyncio.Event] = {}
        self.stunned: dict[str, float] = {}
        self.changed = asyncio.Condition()

    def connector(self, shop: str, owner: str) -> MemoryConnector:
        if (shop, owner) not in self.connectors:
            self.connectors[shop, owner] = MemoryConnector(
                self.shops[shop], clock=self.clock, rng=random.Random(0), limits=LIMITS, owner=owner
            )
        return self.connectors[shop, owner]

    async def serve(self, verb: str, arguments: dict[str, Any]) -> object:
        return await getattr(self, f"on_{verb}")(**arguments)

    # --- what a connector asks --------------------------------------------------------------------------------------

    async def on_call(self, shop: str, owner: str, verb: str, args: tuple[Any, ...]) -> object:
        return await getattr(self.connector(shop, owner), verb)(*args, Permit())

    async def on_write(
        self, shop: str, owner: str, kind: Kind, changes: Sequence[Change]
    ) -> tuple[dict[Key, Outcome], float]:
        """The outcomes, and for how long the caller is struck dumb when it has them (0: not at all)."""
        row = Writing(
            shop=shop,
            owner=owner,
            prices={c.ref: _decimal(c.fields.get("price")) for c in changes},
            started_at=self.clock.monotonic(),
        )
        self.diary.append(row)
        await self._tell()
        for name in (owner, ANYBODY):
            if name in self.held:
                await self.held[name].wait()
        await asyncio.sleep(self.write_s)
        outcomes = dict(await self.connector(shop, owner).write(kind, changes, Permit()))
        row.applied_at = row.ended_at = self.clock.monotonic()
        await self._tell()
        return outcomes, self.stunned.pop(owner, 0.0)

    # --- what a test does and asks ----------------------------------------------------------------------------------

    async def on_stock(self, products: int) -> list[Key]:
        """New products at the source; their keys."""
        shop = self.shops[SOURCE]
        first = shop.count(Kind.PRODUCT)
        return [
            shop.create_product(f"Mug {n}", sku=f"MUG-{n}", price=Decimal(1000)) for n in range(first, first + products)
        ]

    async def on_raise_prices(self, keys: Sequence[Key]) -> None:
        """Each price goes up by one, so that whatever writes an old price over a new one is seen."""
        shop = self.shops[SOURCE]
        for key in keys:
            price = shop.records[Kind.PRODUCT][key].fields["price"]
            assert isinstance(price, Decimal)
            shop.edit_product(key, price=price + 1)

    async def on_differences(self) -> int:
        """How many products, over all destinations, are not what the source says."""
        wanted = self.shops[SOURCE].truth()["product"]
        count = 0
        for name, shop in self.shops.items():
            if name != SOURCE:
                there = shop.truth()["product"]
                count += sum(1 for sku, fields in wanted.items() if there.get(sku) != fields)
                count += len(there.keys() - wanted.keys())
        return count

    async def on_diary(self) -> list[Writing]:
        return self.diary

    async def on_created_twice(self) -> list[str]:
        return [name for shop in self.shops.values() for name in shop.log.created_twice()]

    async def on_slow(self, write_s: float) -> None:
        self.write_s = write_s

    async def on_hold(self, owner: str = ANYBODY) -> None:
        self.held[owner] = asyncio.Event()

    async def on_let_go(self, owner: str = ANYBODY) -> None:
        self.held.pop(owner).set()

    async def on_stun(self, owner: str, for_s: float) -> None:
        """After its next write that owner's process does nothing at all for so long."""
        self.stunned[owner] = for_s

    async def on_await_writing(self, after: int) -> Writing:
        """Row ``after`` of the diary, as soon as it is there; whoever is held is still writing it."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.diary) > after)
            return self.diary[after]

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


def _decimal(value: object) -> Decimal | None:
    return value if isinstance(value, Decimal) else None


async def main(destinations: int) -> None:
    server = await answer_with(Shops(destinations).serve)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
