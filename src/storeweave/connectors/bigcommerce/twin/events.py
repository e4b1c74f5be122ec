"""Which webhooks a change of the store causes, with the vendor's omissions.

Sources: the vendor's event pages (fields of product/updated) and what integrators report: the first image announces
the product twice, later images, deleted images, variants and custom fields do not announce it at all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from storeweave.connectors.bigcommerce.twin.goods import Hook, Product
from storeweave.ports.clock import Clock
from storeweave.twinkit.deliveries import Deliveries
from storeweave.twinkit.wire import encode

ANNOUNCED_FIELDS = (
    "availability",
    "availability_description",
    "categories",
    "brand_id",
    "condition",
    "is_condition_shown",
    "description",
    "depth",
    "height",
    "width",
    "inventory_tracking",
    "is_featured",
    "meta_description",
    "name",
    "order_quantity_minimum",
    "order_quantity_maximum",
    "open_graph_type",
    "open_graph_title",
    "open_graph_description",
    "open_graph_use_product_name",
    "open_graph_use_meta_description",
    "open_graph_use_image",
    "page_title",
    "is_preorder_only",
    "preorder_message",
    "price",
    "cost_price",
    "retail_price",
    "sale_price",
    "is_price_hidden",
    "price_hidden_label",
    "type",
    "related_products",
    "reviews_count",
    "search_keywords",
    "fixed_cost_shipping_price",
    "is_free_shipping",
    "sku",
    "sort_order",
    "tax_class_id",
    "layout_file",
    "total_sold",
    "upc",
    "is_visible",
    "warranty",
    "weight",
)


Event = tuple[str, Mapping[str, Any], int]


class Announcer:
    """Turns changes into deliveries for the hooks that want them."""

    def __init__(
        self, *, store_hash: str, store_id: str, clock: Clock, deliveries: Deliveries, warm_up_s: float = 0.0
    ) -> None:
        self.hooks: dict[int, Hook] = {}
        self.deliveries = deliveries
        self.counts: Counter[str] = Counter()
        self.muted = False  # while a catalogue is being laid in
        self.warm_up_s = warm_up_s  # how old a hook must be to work
        self._store_id = store_id
        self._producer = f"stores/{store_hash}"
        self._clock = clock
        self._serial = 0
        self._held: list[Event] | None = None

    @contextmanager
    def held_back(self) -> Iterator[list[Event]]:
        """Announce only at the end what happens meanwhile; the list may be cleared."""
        held: list[Event] = []
        self._held = held
        try:
            yield held
        finally:
            self._held = None
            for scope, data, times in held:
                self.announce(scope, data, times=times)

    def announce(self, scope: str, data: Mapping[str, Any], *, times: int = 1) -> None:
        """Queue the event for every active hook whose scope covers it."""
        if self.muted:
            return
        if self._held is not None:
            self._held.append((scope, data, times))
            return
        self.counts[scope] += times
        ready = int(self._clock.now().timestamp()) - self.warm_up_s
        wanted = [
            hook
            for hook in self.hooks.values()
            if hook.is_active and hook.created_at <= ready and covers(hook.scope, scope)
        ]
        if not wanted:
            return
        for _ in range(times):
            body = self._body(scope, data)
            for hook in wanted:
                headers = {"content-type": "application/json", "user-agent": "twin-webhooks", **(hook.headers or {})}
                self.deliveries.add(hook_id=hook.id, url=hook.destination, body=body, headers=headers)

    def product_updated(self, before: Product, after: Product) -> None:
        """Announce a product, if one of the fields changed that the vendor announces."""
        tracked = after.inventory_tracking != "none"
        for field in ANNOUNCED_FIELDS:
            if getattr(before, field) != getattr(after, field):
                break
        else:
            if not (tracked and before.inventory_level != after.inventory_level):
                return
        self.product("updated", after.id)

    def product(self, what: str, product_id: int, *, times: int = 1) -> None:
        self.announce(f"store/product/{what}", {"type": "product", "id": product_id}, times=times)

    def sku(self, what: str, product_id: int, variant_id: int) -> None:
        data = {"type": "sku", "id": variant_id, "sku": {"product_id": product_id, "variant_id": variant_id}}
        self.announce(f"store/sku/{what}", data)

    def skus(self, what: str, product_id: int, variant_ids: Iterable[int]) -> None:
        for variant_id in variant_ids:
            self.sku(what, product_id, variant_id)

    def category(self, what: str, category_id: int, tree_id: int, channels: Iterable[int]) -> None:
        self.announce(f"store/category/{what}", {"type": "category", "id": category_id})
        for channel_id in channels:
            data = {"category_id": category_id, "tree_id": tree_id}
            self.announce(f"store/channel/{channel_id}/category/{what}", data)

    def assignment(self, what: str, channel_id: int, product_id: int) -> None:
        self.announce(f"store/channel/{channel_id}/product/{what}", {"product_id": product_id})

    def product_stock(self, product_id: int, level: int, *, by_order: int | None = None) -> None:
        """Announce a product's stock: its level, or by how much an order changed it."""
        self._stock("product", product_id, {"product_id": product_id}, level, by_order)

    def sku_stock(self, product_id: int, variant_id: int, level: int, *, by_order: int | None = None) -> None:
        """Announce a variant's stock: its level, or by how much an order changed it."""
        self._stock("sku", variant_id, {"product_id": product_id, "variant_id": variant_id}, level, by_order)

    def _stock(self, kind: str, number: int, whose: Mapping[str, int], level: int, by_order: int | None) -> None:
        method, value = ("absolute", level) if by_order is None else ("relative", by_order)
        data = {"type": kind, "id": number, "inventory": {**whose, "method": method, "value": value}}
        self.announce(f"store/{kind}/inventory/{'' if by_order is None else 'order/'}updated", data)

    def stock_changed(self, product_id: int, variant_id: int, location_id: int = 1) -> None:
        """The newer event, about a place; its channel is a star."""
        data = {"variant_id": variant_id, "product_id": product_id, "location_id": location_id}
        self.announce("store/channel/*/inventory/product/stock_changed", data)

    def _body(self, scope: str, data: Mapping[str, Any]) -> bytes:
        self._serial += 1
        created_at = int(self._clock.now().timestamp())
        digest = hashlib.sha1(encode([scope, data, created_at, self._serial]), usedforsecurity=False).hexdigest()
        return encode(
            {
                "scope": scope,
                "store_id": self._store_id,
                "data": data,
                "hash": digest,
                "created_at": created_at,
                "producer": self._producer,
            }
        )


def covers(wanted: str, scope: str) -> bool:
    """Whether a hook's scope takes an event: equal, ``*`` for the rest, or ``*`` for one part (the channel)."""
    if wanted == scope:
        return True
    ours, theirs = wanted.split("/"), scope.split("/")
    for at, part in enumerate(ours):
        if part == "*" and at == len(ours) - 1:
            return len(theirs) > at
        if at >= len(theirs) or part not in {"*", theirs[at]}:
            return False
    return len(ours) == len(theirs)
