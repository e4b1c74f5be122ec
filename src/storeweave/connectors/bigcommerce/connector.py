"""BigCommerce behind the port: thin methods over reads, writers and webhooks."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, assert_never

import msgspec
from pydantic import ValidationError

from storeweave.connectors.bigcommerce.brand_reads import BrandReads
from storeweave.connectors.bigcommerce.brand_writes import BrandWriter
from storeweave.connectors.bigcommerce.category_reads import CategoryReads
from storeweave.connectors.bigcommerce.category_writes import CategoryWriter
from storeweave.connectors.bigcommerce.client import Client
from storeweave.connectors.bigcommerce.images import content_hash
from storeweave.connectors.bigcommerce.payloads import StoreData, TimeData
from storeweave.connectors.bigcommerce.product_find import ProductFinder
from storeweave.connectors.bigcommerce.product_reads import ProductReads
from storeweave.connectors.bigcommerce.product_writes import ProductWriter
from storeweave.connectors.bigcommerce.records import SCAN_OMITS
from storeweave.connectors.bigcommerce.session import Session
from storeweave.connectors.bigcommerce.settings import BigCommerceSettings
from storeweave.connectors.bigcommerce.webhooks import Webhooks
from storeweave.model.errors import ConfigError, LaneBlockedError, RefusedError
from storeweave.model.kinds import BRAND, PRODUCT, ConnectionName, Key, Kind
from storeweave.model.records import Change, Notice, Outcome, Record
from storeweave.ports.clock import Clock
from storeweave.ports.connector import (
    Abilities,
    Account,
    HookReport,
    HookRequest,
    HookState,
    KindAbilities,
    Page,
)
from storeweave.ports.permit import CallBudget, Permit
from storeweave.ports.transport import Response, Transport

PRODUCT_PARTS: Final = frozenset({"options", "option_values", "variants", "images"})
STORE: Final = msgspec.json.Decoder(StoreData)
TIME: Final = msgspec.json.Decoder(TimeData)


class BigCommerce:
    """One store (a HookedConnector). ``connection`` names us in notices and marks our webhooks."""

    def __init__(
        self,
        settings: BigCommerceSettings,
        *,
        transport: Transport,
        budget: CallBudget,
        clock: Clock,
        connection: ConnectionName,
    ) -> None:
        at_once = settings.concurrency
        self._settings = settings
        self._clock = clock
        self._client = Client(settings, transport=transport, budget=budget, clock=clock)
        self._products = ProductReads(
            self._client, channel_id=settings.channel_id, at_once=at_once, currency=settings.currency
        )
        self._finder = ProductFinder(self._client, self._products, at_once=at_once)
        self._categories = CategoryReads(
            self._client, clock=clock, tree_id=settings.category_tree_id, cache_s=settings.tree_cache_s
        )
        self._brands = BrandReads(self._client, at_once=at_once)
        self._product_writer = ProductWriter(self._products, at_once=at_once)
        self._category_writer = CategoryWriter(self._categories)
        self._brand_writer = BrandWriter(at_once=at_once)
        self._webhooks = Webhooks(self._client, settings, connection)
        self._abilities = abilities_of(settings)

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def check(self, permit: Permit) -> Account:
        """Whose credentials these are; what they may not do; how far the store's clock is from ours."""
        asked_at = self._clock.now()
        response = await self._client.get("/store", permit, version="v2")
        answered_at = self._clock.now()
        store = self._client.decoded_read(response, STORE, "GET /store")
        if self._products.currency is None and store.currency:
            self._products.currency = store.currency
        their_now = _date_of(response)
        if their_now is None:
            asked_at = self._clock.now()
            seconds = (await self._client.read("/time", permit, TIME, version="v2")).time
            answered_at = self._clock.now()
            their_now = datetime.fromtimestamp(seconds, UTC)
        our_now = asked_at + (answered_at - asked_at) / 2
        notes = tuple(note for note in (f"plan {store.plan_name}" if store.plan_name else "", store.status) if note)
        return Account(
            fingerprint=hashlib.sha256(f"bigcommerce:{store.id}".encode()).hexdigest()[:32],
            name=store.name,
            currency=store.currency or None,
            base_url=store.secure_url or store.domain,
            missing_scopes=tuple([name async for name in self._missing_scopes(permit)]),
            notes=notes,
            clock_skew_s=round((their_now - our_now).total_seconds(), 1),
        )

    async def _missing_scopes(self, permit: Permit) -> AsyncIterator[str]:
        """Scopes without which a first look is refused. Whether we may write cannot be tried without writing."""
        tries = [("Products", "/catalog/products")]
        if self._settings.channel_id is not None:
            tries.append(("Channel Listings", f"/channels/{self._settings.channel_id}/listings"))
        for name, path in tries:
            try:
                await self._client.get(path, permit, [("limit", 1)])
            except LaneBlockedError as error:
                if error.code != "http-403":
                    raise
                yield name

    async def scan(self, kind: Kind, cursor: str | None, permit: Permit) -> Page:
        return await self._reads(kind).scan(cursor, permit)

    async def changed(self, kind: Kind, since: datetime, cursor: str | None, permit: Permit) -> Page:
        if kind is not Kind.PRODUCT:
            raise RefusedError(f"BigCommerce has no feed of changes for {kind}; scan it", code="no-feed")
        return await self._products.changed(since, cursor, permit)

    async def read(self, kind: Kind, keys: Sequence[Key], permit: Permit) -> Mapping[Key, Record | None]:
        return await self._reads(kind).read(keys, permit)

    async def find(self, kind: Kind, matches: Sequence[str], permit: Permit) -> Mapping[str, Sequence[Record]]:
        match kind:
            case Kind.PRODUCT:
                return await self._finder.find(matches, permit)
            case Kind.CATEGORY:
                return await self._categories.find(matches, permit)
            case Kind.BRAND:
                return await self._brands.find(matches, permit)
            case _:
                assert_never(kind)

    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        session = Session(self._client, permit, changes)
        match kind:
            case Kind.PRODUCT:
                await self._product_writer.write(session)
            case Kind.CATEGORY:
                await self._category_writer.write(session)
            case Kind.BRAND:
                await self._brand_writer.write(session)
            case _:
                assert_never(kind)
        return session.outcomes()

    async def content_hash(self, url: str, permit: Permit) -> str:
        return await content_hash(self._client, url, permit)

    async def ensure_hooks(self, url: str, permit: Permit) -> HookReport:
        return await self._webhooks.ensure(url, permit)

    async def list_hooks(self, permit: Permit) -> Sequence[HookState]:
        return await self._webhooks.states(permit)

    async def remove_hooks(self, permit: Permit) -> int:
        return await self._webhooks.remove(permit)

    def receive(self, request: HookRequest, *, now: datetime) -> Sequence[Notice]:
        return self._webhooks.receive(request, now=now)

    def _reads(self, kind: Kind) -> ProductReads | CategoryReads | BrandReads:
        match kind:
            case Kind.PRODUCT:
                return self._products
            case Kind.CATEGORY:
                return self._categories
            case Kind.BRAND:
                return self._brands
            case _:
                assert_never(kind)


def create(
    settings: Mapping[str, Any], *, transport: Transport, budget: CallBudget, clock: Clock, connection: ConnectionName
) -> BigCommerce:
    """A connector from what an operator filled in. Raises ConfigError naming each wrong setting."""
    try:
        checked = BigCommerceSettings.model_validate(dict(settings))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise ConfigError(f"connection {connection}: {wrong}") from None
    return BigCommerce(checked, transport=transport, budget=budget, clock=clock, connection=connection)


def abilities_of(settings: BigCommerceSettings) -> Abilities:
    """What BigCommerce can do with these settings."""
    product_fields = frozenset(PRODUCT.fields)
    if settings.channel_id is None:
        product_fields -= {"listing_state"}
    return Abilities(
        system="bigcommerce",
        kinds={
            Kind.CATEGORY: KindAbilities(read_batch=250, write_batch=250, page=250, has_hooks=True),
            Kind.BRAND: KindAbilities(
                read_batch=250, write_batch=50, page=250, fields=frozenset(BRAND.fields) - {"layout_file"}
            ),
            Kind.PRODUCT: KindAbilities(
                read_batch=250,
                write_batch=50,
                page=250,
                fields=product_fields,
                parts=PRODUCT_PARTS,
                read_only=frozenset({"listing_state"}) & product_fields,
                scan_omits=SCAN_OMITS,
                has_hooks=True,
                has_feed=True,
            ),
        },
        concurrency=settings.concurrency,
        request_timeout_s=settings.request_timeout_s,
        read_lag_s=settings.read_lag_s,
        late_landing_s=settings.late_landing_s,
        hide_fields={Kind.PRODUCT: {"is_visible": False}, Kind.CATEGORY: {"is_visible": False}},
        max_keys_per_account={Kind.CATEGORY: 16_000, Kind.BRAND: 30_000},
    )


def _date_of(response: Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None
