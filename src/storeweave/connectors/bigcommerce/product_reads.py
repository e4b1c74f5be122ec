"""Reading products: whole ones by id, pages of a scan, those changed since, and the states of their listings.

A page that includes options holds 10 products, one without them 250; so options are asked for only where a product
has any. Lists are walked by ever-growing id, never by offset, because they move under our feet.
Source: GET /catalog/products and GET /channels/{channel_id}/listings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Final

import msgspec
from msgspec import UNSET

from storeweave.connectors.bigcommerce.absence import prove_absent
from storeweave.connectors.bigcommerce.client import Client, Params
from storeweave.connectors.bigcommerce.parallel import in_parallel
from storeweave.connectors.bigcommerce.payloads import ListingData, Many, ProductData
from storeweave.connectors.bigcommerce.records import is_base, product_record
from storeweave.connectors.bigcommerce.verdicts import SYSTEM
from storeweave.model.errors import RefusedError, TransientError
from storeweave.model.kinds import Key
from storeweave.model.records import Record
from storeweave.ports.connector import Page
from storeweave.ports.permit import Permit

PAGE: Final = 250
OPTIONS_PAGE: Final = 10
SHOWN: Final = "variants,images,custom_fields,bulk_pricing_rules,videos"

PRODUCTS: Final = msgspec.json.Decoder(Many[ProductData], float_hook=Decimal)
LISTINGS: Final = msgspec.json.Decoder(Many[ListingData])


class ProductReads:
    """Reads of products in one store; ``currency`` is what its prices are in, once known."""

    def __init__(self, client: Client, *, channel_id: int | None, at_once: int, currency: str | None) -> None:
        self._client = client
        self._channel_id = channel_id
        self._at_once = at_once
        self.currency = currency

    async def read(self, keys: Sequence[Key], permit: Permit) -> dict[Key, Record | None]:
        """Whole products. One is not there when a listing by id lacks it and the product itself answers 404."""
        wanted = [key for key in keys if key.isascii() and key.isdigit()]
        found = await self.whole([int(key) for key in wanted], permit)
        records = {record.key: record for record in await self._records(found.values(), permit)}
        missing = [key for key in keys if key not in records]
        await prove_absent(self._client, "/catalog/products", missing, permit, at_once=self._at_once)
        return {key: records.get(key) for key in keys}

    async def scan(self, cursor: str | None, permit: Permit) -> Page:
        """One page in the order of ids, without options."""
        params = [*_after(cursor), ("include", SHOWN), ("limit", PAGE)]
        many = await self._page(params, permit)
        return Page(
            records=tuple(await self._records(many.data, permit)),
            cursor=next_cursor(many, PAGE),
            total=_total(many) if cursor is None else None,
        )

    async def changed(self, since: datetime, cursor: str | None, permit: Permit) -> Page:
        """Products changed since then; after them, with a channel, products whose listing changed since then.

        Cursors are ``p<product id>`` and ``l<listing id>``.
        """
        stamp = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if cursor is None or cursor.startswith("p"):
            after = cursor[1:] if cursor else None
            params: list[tuple[str, str | int]] = [
                ("date_modified:min", stamp),
                *_after(after),
                ("include", SHOWN),
                ("limit", PAGE),
            ]
            many = await self._page(params, permit)
            more = next_cursor(many, PAGE)
            following = f"p{more}" if more else ("l" if self._channel_id is not None else None)
            return Page(records=tuple(await self._records(many.data, permit)), cursor=following)
        return await self._changed_listings(stamp, cursor[1:], permit)

    async def _changed_listings(self, stamp: str, after: str, permit: Permit) -> Page:
        params: list[tuple[str, str | int]] = [("date_modified:min", stamp), ("limit", PAGE)]
        if after:
            params.append(("after", after))
        listings = await self._client.read(f"/channels/{self._channel_id}/listings", permit, LISTINGS, params)
        ids = sorted({listing.product_id for listing in listings.data})
        records = await self._records((await self.shown(ids, permit)).values(), permit) if ids else []
        last = max((listing.listing_id for listing in listings.data), default=0)
        full = len(listings.data) >= PAGE
        return Page(records=tuple(records), cursor=f"l{last}" if full else None)

    async def shown(self, ids: Sequence[int], permit: Permit) -> dict[int, ProductData]:
        """Products by id as a scan shows them."""
        many = await self._page([("id:in", _joined(ids)), ("include", SHOWN), ("limit", PAGE)], permit)
        return {data.id: data for data in many.data}

    async def whole(self, ids: Sequence[int], permit: Permit) -> dict[int, ProductData]:
        """Products by id with everything that they have."""
        if len(ids) <= 2 * OPTIONS_PAGE:
            return await self._with_options(ids, permit)
        found: dict[int, ProductData] = {}
        for at in range(0, len(ids), PAGE):
            found.update(await self.shown(ids[at : at + PAGE], permit))
        await self.complete(found, permit)
        return found

    async def complete(self, found: dict[int, ProductData], permit: Permit) -> None:
        """Add the options to products that were read without; those that have none cost nothing."""
        optioned = [data.id for data in found.values() if data.options is UNSET and has_options(data)]
        for data in found.values():
            if data.options is UNSET:
                data.options = []
        # Read anew as a whole: variants and options of one record must be of one moment.
        fresh = await self._with_options(optioned, permit)
        for product_id in optioned:
            if product_id in fresh:
                found[product_id] = fresh[product_id]
            else:
                del found[product_id]

    async def _with_options(self, ids: Sequence[int], permit: Permit) -> dict[int, ProductData]:
        found: dict[int, ProductData] = {}

        async def fetch(chunk: Sequence[int]) -> None:
            include = f"{SHOWN},options"
            params: list[tuple[str, str | int]] = [
                ("id:in", _joined(chunk)),
                ("include", include),
                ("limit", OPTIONS_PAGE),
            ]
            many = await self._page(params, permit)
            found.update({data.id: data for data in many.data})

        chunks = [ids[at : at + OPTIONS_PAGE] for at in range(0, len(ids), OPTIONS_PAGE)]
        await in_parallel([partial(fetch, chunk) for chunk in chunks], at_once=self._at_once)
        return found

    async def _page(self, params: Params, permit: Permit) -> Many[ProductData]:
        return await self._client.read(
            "/catalog/products", permit, PRODUCTS, [*params, ("sort", "id"), ("direction", "asc")]
        )

    async def _records(self, found: Iterable[ProductData], permit: Permit) -> list[Record]:
        products = list(found)
        listing = await self.listing_states([data.id for data in products], permit)
        try:
            return [product_record(data, currency=self.currency, listing=listing) for data in products]
        except RefusedError as error:  # a number that is none
            raise TransientError(f"{SYSTEM} showed a product that cannot be right: {error}") from error

    async def whole_records(self, found: dict[int, ProductData], permit: Permit) -> list[Record]:
        """Records of products that were read as a scan shows them, made whole."""
        await self.complete(found, permit)
        return await self._records(found.values(), permit)

    async def listing_states(self, ids: Sequence[int], permit: Permit) -> Mapping[int, str] | None:
        """The state of each listed product on the configured channel; None when no channel is configured."""
        if self._channel_id is None:
            return None
        states: dict[int, str] = {}
        for at in range(0, len(ids), PAGE):
            chunk = ids[at : at + PAGE]
            params: list[tuple[str, str | int]] = [("product_id:in", _joined(chunk)), ("limit", PAGE)]
            listings = await self._client.read(f"/channels/{self._channel_id}/listings", permit, LISTINGS, params)
            states.update({listing.product_id: listing.state for listing in listings.data})
        return states


def has_options(data: ProductData) -> bool:
    """Whether a product read without its options has any: its variants then say which of their values they are.

    Options without a single variant can be told only by the option set that BigCommerce keeps behind them.
    """
    return (
        bool(data.option_set_id) or data.variants is UNSET or not data.variants or not all(map(is_base, data.variants))
    )


def next_cursor(many: Many[ProductData], page: int) -> str | None:
    """Where to go on; None when this was the last page: it is short, or the vendor counts no more behind it."""
    if not many.data:
        return None
    pagination = many.meta.pagination
    if pagination is not None and pagination.total is not None:
        more = pagination.total > len(many.data)
    else:
        more = len(many.data) >= page
    return str(max(data.id for data in many.data)) if more else None


def _total(many: Many[ProductData]) -> int | None:
    return many.meta.pagination.total if many.meta.pagination else None


def _after(cursor: str | None) -> list[tuple[str, str | int]]:
    return [("id:greater", cursor)] if cursor else []


def _joined(ids: Iterable[int]) -> str:
    return ",".join(map(str, ids))
