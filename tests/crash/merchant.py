"""The merchant of store A, who goes on working while the hub dies: edits that the vendor tells of by webhooks.

What no webhook tells of (pictures beyond the first) is followed by an edit of the same product that one tells of.
Every price is new and stays within a few per cent of the first one, so that no brake has a reason to trip.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from random import Random
from typing import Any

Deed = Callable[..., Awaitable[Any]]
"""``await deed(name, **arguments)``: one deed of the twin's merchant."""
Expect = Callable[[Mapping[str, Decimal | None]], Awaitable[Any]]


class Merchant:
    """Edits at random. ``products`` and ``categories`` are the catalogue as it was laid in (see the twin's state)."""

    def __init__(
        self,
        deed: Deed,
        expect: Expect,
        products: Mapping[str, Mapping[str, Any]],
        categories: Iterable[str],
        rng: Random,
    ) -> None:
        self._deed = deed
        self._expect = expect
        self._products = {sku: product for sku, product in products.items() if not sku.startswith("name:")}
        self._first_prices = {sku: Decimal(product["price"]) for sku, product in self._products.items()}
        self._skus = sorted(self._products)
        self._with_options = [sku for sku in self._skus if self._products[sku]["options"]]
        self._categories = sorted(categories)
        self._rng = rng
        self._serial = 0
        self._deleted = 0
        self._most_deletes = max(1, min(10, len(self._skus) // 100))
        self._hands = asyncio.Lock()
        self.edits = 0

    async def edit(self) -> None:
        """One thing, mostly a price."""
        async with self._hands:
            await self._edit()

    async def burst(self, count: int) -> None:
        """Many prices at once."""
        async with self._hands:
            self.edits += count
            await self._reprice(self._rng.sample(self._skus, min(count, len(self._skus))))

    async def _edit(self) -> None:
        sku = self._rng.choice(self._skus)
        chance = self._rng.random()
        self._serial += 1
        self.edits += 1
        if chance < 0.06:
            await self._create()
        elif chance < 0.10:
            await self._delete(sku)
        elif chance < 0.20:
            await self._deed("edit_product", sku=sku, description=f"<p>Edited, time {self._serial}.</p>")
        elif chance < 0.28:
            await self._deed("edit_product", sku=sku, name=f"Renamed {self._serial} of {sku}")
        elif chance < 0.31:
            path = self._rng.choice(self._categories)
            await self._deed("edit_category", path=path, description=f"<p>Edited, time {self._serial}.</p>")
        elif chance < 0.40 and self._with_options:
            await self._edit_variants(self._rng.choice(self._with_options))
        elif chance < 0.46:
            await self._deed("add_image", sku=sku, seed=f"new-{self._serial}")
            await self._reprice([sku])
        else:
            await self._reprice([sku])

    async def _reprice(self, skus: list[str]) -> None:
        for sku in skus:
            self._serial += 1
            price = self._first_prices[sku] + Decimal(self._serial % 997 + 1) / 10_000
            if self._first_prices[sku] > 2:
                price += Decimal(self._serial // 997) / 100
            await self._deed("edit_product", sku=sku, price=price)
            await self._expect({sku: price})

    async def _edit_variants(self, sku: str) -> None:
        """Another price for one, or one more with a value that no option had before."""
        product = self._products[sku]
        skus = [variant["sku"] for variant in product["variants"].values() if variant["sku"]]
        if skus and self._rng.random() < 0.6:
            price = self._first_prices[sku] + Decimal(self._serial % 997 + 1) / 10_000
            await self._deed("edit_variant", sku=self._rng.choice(skus), price=price)
            return
        labels = {name: next(iter(option["values"])) for name, option in product["options"].items()}
        labels[self._rng.choice(sorted(labels))] = f"New {self._serial}"
        await self._deed("add_variant", product_sku=sku, sku=f"{sku}-N{self._serial}", labels=labels)

    async def _create(self) -> None:
        sku, price = f"NEW-{self._serial:05d}", Decimal("12.5")
        await self._deed("create_product", name=f"New thing {self._serial}", sku=sku, price=price)
        self._first_prices[sku] = price
        self._skus.append(sku)
        await self._expect({sku: price})

    async def _delete(self, sku: str) -> None:
        if self._deleted >= self._most_deletes:
            await self._reprice([sku])
            return
        self._deleted += 1
        self._skus.remove(sku)
        self._with_options = [other for other in self._with_options if other != sku]
        await self._expect({sku: None})
        await self._deed("delete_product", sku=sku)
