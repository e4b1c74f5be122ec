"""A merchant's life: a seeded stream of edits in the source shop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random

from storeweave.connectors.memory.shop import MemoryShop
from storeweave.model.kinds import Key, Kind

HABITS: Mapping[str, int] = {
    "price": 8,
    "rename": 3,
    "describe": 5,
    "variant_price": 6,
    "new_product": 3,
    "new_variant": 3,
    "drop_variant": 2,
    "new_image": 3,
    "drop_image": 2,
    "recategorise": 4,
    "delete": 1,
    "new_category": 1,
    "rename_category": 1,
    "rename_sku": 1,
    "burst": 2,
    "waver": 2,
    "slip": 0,
}
"""Edits, and how often each is made."""


class Merchant:
    """Edits the shop through the shop's own verbs."""

    def __init__(
        self,
        shop: MemoryShop,
        rng: Random,
        note: Callable[[str], None],
        *,
        habits: Mapping[str, int] | None = None,
        sloppy: bool = False,
    ) -> None:
        """``habits`` says how often an edit is made, where not as usual; ``sloppy``: with blanks and odd cents."""
        self.shop = shop
        self.rng = rng
        self.note = note
        self._habits = {**HABITS, **(habits or {})}
        self._sloppy = sloppy
        self._serial = 0

    def open_shop(self, products: int) -> None:
        """Some categories, brands and products."""
        top = self.shop.create_category("Clothing")
        self.shop.create_category("Shirts", parent=top)
        self.shop.create_category("Sale")
        self.shop.create_brand("Acme")
        for _ in range(products):
            self.new_product()

    def act(self) -> None:
        """One random edit."""
        name = self.rng.choices(list(self._habits), list(self._habits.values()))[0]
        choice: Callable[[], None] = getattr(self, name)
        choice()
        self.note(name)

    def new_product(self) -> None:
        self._serial += 1
        n = self._serial
        options = {"Size": ["S", "M", "L"][: self.rng.randint(1, 3)]} if self.rng.random() < 0.5 else None
        key = self.shop.create_product(
            f"Thing {n}",
            sku=f"T-{n}" if self.rng.random() < 0.9 else None,
            options=options,
            pictures=[f"pic-{n}-{i}" for i in range(self.rng.randint(0, 2))],
        )
        self.shop.edit_product(key, price=self._price(), description=f"<p>{n}</p>", is_visible=True)
        self.recategorise(key)

    def price(self) -> None:
        if (key := self._any()) is not None:
            self.shop.edit_product(key, price=self._price())

    def burst(self) -> None:
        if (key := self._any()) is not None:
            for _ in range(3):
                self.shop.edit_product(key, price=self._price())

    def waver(self) -> None:
        """Between two prices, so that a value comes back that was agreed on before."""
        if (key := self._any()) is not None:
            low, high = Decimal("9.5"), Decimal("10.5")
            now = self.shop.records[Kind.PRODUCT][key].fields.get("price")
            self.shop.edit_product(key, price=high if now == low else low)

    def slip(self) -> None:
        """A price that nobody can mean, and a moment later the right one."""
        if (key := self._any()) is not None:
            self.shop.edit_product(key, price=Decimal(-1))
            asyncio.get_running_loop().call_later(self.rng.uniform(0.0, 2.0), self._correct, key)

    def _correct(self, key: Key) -> None:
        if key in self.shop.records[Kind.PRODUCT]:
            self.shop.edit_product(key, price=self._price())

    def rename(self) -> None:
        if (key := self._any()) is not None:
            self._serial += 1
            self.shop.edit_product(key, name=f"Thing {self._serial} renamed{' ' if self._sloppy else ''}")

    def describe(self) -> None:
        if (key := self._any()) is not None:
            self.shop.edit_product(key, description=f"<p>{self.rng.randrange(10**6)}</p>")

    def rename_sku(self) -> None:
        if (key := self._any()) is not None and self.shop.records[Kind.PRODUCT][key].fields.get("sku"):
            self._serial += 1
            self.shop.edit_product(key, sku=f"R-{self._serial}")

    def variant_price(self) -> None:
        if (key := self._any()) is not None and (variants := self.shop.parts_of(key, "variants")):
            self.shop.edit_variant(key, self.rng.choice(sorted(variants)), price=self._price())

    def new_variant(self) -> None:
        key = self._any()
        if key is None or not self.shop.parts_of(key, "options"):
            return
        self._serial += 1
        label = f"X{self._serial}"
        self.shop.add_option_value(key, "Size", label)
        self.shop.add_variant(key, f"V-{self._serial}", {"Size": label}, price=self._price())

    def drop_variant(self) -> None:
        key = self._any()
        variants = self.shop.parts_of(key, "variants") if key is not None else {}
        if key is not None and len(variants) > 1:
            self.shop.delete_variant(key, self.rng.choice(sorted(variants)))

    def new_image(self) -> None:
        if (key := self._any()) is not None:
            self._serial += 1
            self.shop.add_image(key, f"pic-{self._serial}")

    def drop_image(self) -> None:
        if (key := self._any()) is not None and (images := self.shop.parts_of(key, "images")):
            self.shop.delete_image(key, self.rng.choice(sorted(images)))

    def recategorise(self, key: Key | None = None) -> None:
        key = key or self._any()
        if key is None:
            return
        categories = sorted(self.shop.records[Kind.CATEGORY])
        chosen = self.rng.sample(categories, k=min(len(categories), self.rng.randint(0, 2)))
        brands = sorted(self.shop.records[Kind.BRAND])
        self.shop.edit_product(
            key,
            categories=frozenset(map(str, chosen)),
            brand=self.rng.choice(brands) if self.rng.random() < 0.5 else None,
        )

    def new_category(self) -> None:
        self._serial += 1
        parents = [None, *sorted(self.shop.records[Kind.CATEGORY])]
        self.shop.create_category(f"Category {self._serial}", parent=self.rng.choice(parents))

    def rename_category(self) -> None:
        self._serial += 1
        key = self.rng.choice(sorted(self.shop.records[Kind.CATEGORY]))
        self.shop.edit_category(key, name=f"Category {self._serial} renamed")

    def delete(self) -> None:
        if (key := self._any()) is not None and len(self.shop.records[Kind.PRODUCT]) > 1:
            self.shop.delete_product(key)

    def _any(self) -> Key | None:
        products = sorted(self.shop.records[Kind.PRODUCT])
        return self.rng.choice(products) if products else None

    def _price(self) -> Decimal:
        return (
            Decimal(self.rng.randrange(9000, 11000)) / 1000
            if self._sloppy
            else Decimal(self.rng.randrange(900, 1100)) / 100
        )
