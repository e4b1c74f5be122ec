"""The state of one twin store with its indexes; every change of a product goes through ``put`` or ``drop``.

It knows what must be unique, when dates move and what readers see who lag; it knows nothing of HTTP. What an event
means to webhooks is in ``events``; what a field may hold is in ``checks``.
"""

from __future__ import annotations

import bisect
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin.events import Announcer
from storeweave.connectors.bigcommerce.twin.goods import (
    Brand,
    Category,
    Channel,
    Entry,
    Listing,
    Location,
    Product,
    Tree,
    Variant,
)
from storeweave.connectors.bigcommerce.twin.pictures import PictureStore
from storeweave.connectors.bigcommerce.twin.settings import TwinSettings
from storeweave.ports.clock import Clock
from storeweave.twinkit.lag import LaggingView
from storeweave.twinkit.landing import Landings
from storeweave.twinkit.wire import Number, Refusal

_DOUBLE = "!"
_SECOND = timedelta(seconds=1)


class Shop:
    """Everything that one store holds."""

    def __init__(
        self, settings: TwinSettings, *, clock: Clock, rng: random.Random, landings: Landings, announcer: Announcer
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.rng = rng
        self.landings = landings
        self.announcer = announcer
        self.origin = settings.base()
        self.pictures = PictureStore()
        self.client_id = ""  # of the call under way
        self.fetched: Mapping[str, bytes | str] = {}

        self.entries: dict[int, Entry] = {}
        self.order: list[int] = []  # product ids, ascending
        self.modified: dict[int, None] = {}  # product ids, least lately modified first
        self.names: dict[str, int] = {}
        self.skus: dict[str, tuple[int, int]] = {}  # product id, and variant id or 0 for the product itself
        self.variants: dict[int, int] = {}  # variant id -> product id
        self.urls: dict[str, tuple[str, int]] = {}
        self.lag: LaggingView[int, Entry] = LaggingView(rng, lag_s=settings.read_lag_s, share=settings.read_lag_share)
        self.categories: dict[int, Category] = {}
        self.category_names: dict[tuple[int, int, str], int] = {}
        self.children: dict[int, dict[int, None]] = {}
        self.brands: dict[int, Brand] = {}
        self.brand_names: dict[str, int] = {}
        self.listings: dict[int, dict[int, Listing]] = {}  # by channel, by listing id
        self.listed: dict[tuple[int, int], int] = {}  # channel and product -> listing id
        self._second, self._stamped_at, self._stamp = -1, datetime.min.replace(tzinfo=UTC), ""
        stamp = self.stamp()
        self.channels: dict[int, Channel] = {
            number: Channel(id=number, name=name, date_created=stamp, date_modified=stamp)
            for number, name in settings.channels
        }
        self.trees: dict[int, Tree] = {1: Tree(1, "Default catalog tree", (1,))}
        self.locations: dict[int, Location] = {
            1: Location(id=1, code="BC-LOCATION-1", label="Default location", created_at=stamp, updated_at=stamp)
        }
        self.stock: dict[tuple[int, int], int] = {}  # location beyond the default, variant id -> pieces
        self.variant_pictures: dict[int, str] = {}
        self.poisoned: set[str] = set()  # SKUs in small letters whose products are always refused
        self.doubles: list[str] = []  # the same picture added to a product that has it
        self.recreated: list[str] = []  # what was created more than once in this store's life
        self.stock_refused: set[str] = set()  # SKUs in small letters whose stock the catalogue cannot write (207)
        self.created: Counter[str] = Counter()
        self._noted: list[str] = []
        self._next: dict[str, int] = {}

    # Time and numbers.

    def stamp(self) -> str:
        now = self.clock.now()
        if now.second != self._second or not timedelta(0) <= now - self._stamped_at < _SECOND:
            self._second, self._stamped_at = now.second, now
            self._stamp = now.strftime("%Y-%m-%dT%H:%M:%S+00:00")
        return self._stamp

    def mono(self) -> float:
        return self.clock.monotonic()

    def next_id(self, kind: str) -> int:
        number = self._next.get(kind, self.settings.first_id)
        self._next[kind] = number + 1
        return number

    # Products.

    def entry(self, product_id: int) -> Entry:
        """The product as it is. Raises Refusal 404."""
        entry = self.entries.get(product_id)
        if entry is None:
            raise Refusal(404, "The resource was not found.")
        return entry

    def shown(self, product_id: int) -> Entry | None:
        """The product as readers see it now."""
        return self.lag.shown(product_id, self.entries.get(product_id), self.mono())

    def require_unique(self, entry: Entry) -> None:
        """Raise Refusal 409 when another product has this name or another thing one of these SKUs."""
        product = entry.product
        if self.names.get(product.name.lower(), product.id) != product.id:
            raise Refusal(409, "The product name is a duplicate", {"name": "The product name is a duplicate"})
        mine: set[str] = set()
        for sku, _ in _sku_owners(entry):
            owner = self.skus.get(sku)
            if (owner is not None and owner[0] != product.id) or sku in mine:
                raise Refusal(409, "The sku is a duplicate", {"sku": f"The sku {sku} is a duplicate"})
            mine.add(sku)
        if self.poisoned and not self.poisoned.isdisjoint(mine):
            raise Refusal(422, "The product was not valid", {"name": "This store never takes this product"})

    def put(self, entry: Entry, *, moves_date: bool = True) -> Entry:
        """Store a new or changed product, whole; the caller has checked that it is unique."""
        product_id = entry.product.id
        before = self.entries.get(product_id)
        stamp = self.stamp() if moves_date else entry.product.date_modified
        entry = replace(entry, product=_derived(entry, stamp))
        if not entry.has_choices:
            entry = replace(entry, variants=(mirror(entry),))
        self.lag.note(product_id, before, self.mono())
        self._index(before, entry)
        self.entries[product_id] = entry
        if before is None:
            self.order.append(product_id)
        if moves_date:
            self.modified.pop(product_id, None)
            self.modified[product_id] = None
        return entry

    def drop(self, product_id: int) -> Entry:
        """Forget a product with all its parts."""
        entry = self.entries.pop(product_id)
        self.lag.note(product_id, entry, self.mono())
        self._index(entry, None)
        del self.order[bisect.bisect_left(self.order, product_id)]
        self.modified.pop(product_id, None)
        for channel_id in self.channels:
            listing_id = self.listed.pop((channel_id, product_id), None)
            if listing_id is not None:
                del self.listings[channel_id][listing_id]
        return entry

    def _index(self, before: Entry | None, after: Entry | None) -> None:
        old = before.product if before is not None else None
        new = after.product if after is not None else None
        if old is not None and (new is None or new.name != old.name):
            self.names.pop(old.name.lower(), None)
        if old is not None and (new is None or new.custom_url != old.custom_url):
            self.urls.pop(old.custom_url.url, None)
        if new is not None:
            self.names[new.name.lower()] = new.id
            self.urls[new.custom_url.url] = ("product", new.id)
        same = before is not None and after is not None and before.variants is after.variants
        if same and old is not None and new is not None and old.sku == new.sku:
            return
        if before is not None:
            for sku, _ in _sku_owners(before):
                self.skus.pop(sku, None)
            for variant in before.variants:
                self.variants.pop(variant.id, None)
        if after is not None:
            for sku, variant_id in _sku_owners(after):
                self.skus[sku] = (after.product.id, variant_id)
            for variant in after.variants:
                self.variants[variant.id] = after.product.id

    @contextmanager
    def all_or_nothing(self, touched: Mapping[int, Entry]) -> Iterator[None]:
        """Undo the changes of ``touched`` (products as they were before) and their events when a Refusal comes out."""
        with self.announcer.held_back() as events:
            try:
                yield
            except Refusal:
                events.clear()
                for before in touched.values():
                    self.put(before, moves_date=False)
                raise

    def free_url(self, wanted: str, kind: str, owner: int) -> str | None:
        """``wanted`` if nobody else has it."""
        held = self.urls.get(wanted)
        return wanted if held is None or held == (kind, owner) else None

    def note_creation(self, kind: str, identity: str) -> None:
        """A creation, counted if the call succeeds (``count_creations``)."""
        self._noted.append(f"{kind} {identity}")

    def note_double(self, text: str) -> None:
        """The same thing twice at once, reported if the call succeeds."""
        self._noted.append(f"{_DOUBLE}{text}")

    def count_creations(self, *, succeeded: bool) -> None:
        """End of a call: what it noted counts or is forgotten."""
        for key in self._noted if succeeded else ():
            if key.startswith(_DOUBLE):
                self.doubles.append(key.removeprefix(_DOUBLE))
                continue
            self.created[key] += 1
            if self.created[key] > 1:
                self.recreated.append(key)
        self._noted.clear()

    # Categories and brands.

    def put_category(self, category: Category) -> None:
        before = self.categories.get(category.id)
        if before is not None:
            self.category_names.pop(_place(before), None)
            self.urls.pop(before.url.url, None)
            self.children.get(before.parent_id, {}).pop(category.id, None)
        self.categories[category.id] = category
        self.category_names[_place(category)] = category.id
        self.urls[category.url.url] = ("category", category.id)
        self.children.setdefault(category.parent_id, {})[category.id] = None

    def drop_category(self, category_id: int) -> Category:
        category = self.categories.pop(category_id)
        self.category_names.pop(_place(category), None)
        self.urls.pop(category.url.url, None)
        self.children.get(category.parent_id, {}).pop(category_id, None)
        return category

    def category_path(self, category_id: int) -> tuple[str, ...]:
        """Names from the root down."""
        names: list[str] = []
        seen: set[int] = set()
        while category_id and category_id not in seen and category_id in self.categories:
            seen.add(category_id)
            names.append(self.categories[category_id].name)
            category_id = self.categories[category_id].parent_id
        return tuple(reversed(names))

    def put_brand(self, brand: Brand) -> None:
        before = self.brands.get(brand.id)
        if before is not None:
            self.brand_names.pop(before.name.lower(), None)
        self.brands[brand.id] = brand
        self.brand_names[brand.name.lower()] = brand.id


def _place(category: Category) -> tuple[int, int, str]:
    return category.tree_id, category.parent_id, category.name.lower()


def _sku_owners(entry: Entry) -> list[tuple[str, int]]:
    owners = [(entry.product.sku.lower(), 0)] if entry.product.sku else []
    if entry.has_choices:
        owners += [(variant.sku.lower(), variant.id) for variant in entry.variants if variant.sku]
    return owners


def _derived(entry: Entry, stamp: str) -> Product:
    """The product with the fields that follow from others."""
    product = entry.product
    level = product.inventory_level
    if entry.has_choices and product.inventory_tracking == "variant":
        level = sum(variant.inventory_level for variant in entry.variants)
    base_id = None if entry.has_choices else (entry.variants[0].id if entry.variants else None)
    return replace(
        product,
        calculated_price=paid(product.price, product.sale_price),
        inventory_level=level,
        base_variant_id=base_id,
        date_modified=stamp,
    )


def paid(price: Number, sale_price: Number | None) -> Number:
    """What a buyer pays: the sale price when there is a lower one."""
    return sale_price if sale_price and sale_price < price else price


def mirror(entry: Entry) -> Variant:
    """The base variant of a product without options."""
    product, base = entry.product, entry.variants[0]
    return Variant(
        id=base.id,
        product_id=product.id,
        sku_id=base.id if product.sku else None,
        calculated_price=product.calculated_price,
        calculated_weight=product.weight,
        purchasing_disabled=base.purchasing_disabled,
        purchasing_disabled_message=base.purchasing_disabled_message,
        image_url=base.image_url,
        sku=product.sku,
        price=product.price,
        sale_price=product.sale_price,
        retail_price=product.retail_price,
        map_price=product.map_price,
        cost_price=product.cost_price,
        weight=product.weight,
        width=product.width,
        height=product.height,
        depth=product.depth,
        is_free_shipping=product.is_free_shipping,
        fixed_cost_shipping_price=product.fixed_cost_shipping_price,
        upc=product.upc,
        mpn=product.mpn,
        gtin=product.gtin,
        inventory_level=product.inventory_level,
        inventory_warning_level=product.inventory_warning_level,
        bin_picking_number=product.bin_picking_number,
    )
