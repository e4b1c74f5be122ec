"""Reading brands: by id, by name, page by page. Source: GET /catalog/brands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Final

import msgspec

from storeweave.connectors.bigcommerce.absence import prove_absent
from storeweave.connectors.bigcommerce.client import Client, Params
from storeweave.connectors.bigcommerce.parallel import in_parallel
from storeweave.connectors.bigcommerce.payloads import BrandData, Many
from storeweave.connectors.bigcommerce.records import brand_record
from storeweave.connectors.bigcommerce.steady import read_steadily
from storeweave.model.kinds import Key
from storeweave.model.records import Record
from storeweave.ports.connector import Page
from storeweave.ports.permit import Permit

PAGE: Final = 250
PATH: Final = "/catalog/brands"
FEW_NAMES: Final = 2  # for so many names, one call each is the cheaper way without looking how many brands there are
BRANDS: Final = msgspec.json.Decoder(Many[BrandData], float_hook=Decimal)


class BrandReads:
    """Reads of brands in one store."""

    def __init__(self, client: Client, *, at_once: int) -> None:
        self._client = client
        self._at_once = at_once

    async def scan(self, cursor: str | None, permit: Permit) -> Page:
        """One page in the order of ids.

        The endpoint takes a lower bound for ids but no order by them. It answers in their order all the same; should
        it ever not, the list is read whole and all of it is one page.
        """
        many = await self._page(_after(cursor), permit)
        ids = [data.id for data in many.data]
        total = many.meta.pagination.total if many.meta.pagination else None
        if any(left >= right for left, right in pairwise(ids)):
            brands = await self._whole(permit)
            after = int(cursor) if cursor else 0
            chosen = [brands[brand_id] for brand_id in sorted(brands) if brand_id > after]
            return Page(records=_records(chosen), total=len(brands))
        more = total > len(ids) if total is not None else len(ids) >= PAGE
        return Page(
            records=_records(many.data),
            cursor=str(ids[-1]) if more and ids else None,
            total=total if cursor is None else None,
        )

    async def read(self, keys: Sequence[Key], permit: Permit) -> dict[Key, Record | None]:
        """Brands by id."""
        wanted = [key for key in keys if key.isascii() and key.isdigit()]
        found: dict[str, Record] = {}
        for at in range(0, len(wanted), PAGE):
            many = await self._page([("id:in", ",".join(wanted[at : at + PAGE]))], permit)
            found.update({record.key: record for record in _records(many.data)})
        missing = [key for key in keys if key not in found]
        await prove_absent(self._client, PATH, missing, permit, at_once=self._at_once)
        return {key: found.get(key) for key in keys}

    async def find(self, matches: Sequence[str], permit: Permit) -> dict[str, Sequence[Record]]:
        """Brands by name. Names are unique and compared without regard to case."""
        names = {match: match.removeprefix("name:") for match in matches if match.startswith("name:")}
        found: dict[str, list[Record]] = {match: [] for match in matches}
        brands: list[BrandData] = []
        if len(names) > FEW_NAMES:
            first = await self._page([], permit)
            total = first.meta.pagination.total if first.meta.pagination else None
            if total is not None and total <= len(first.data):
                brands = first.data
            elif total is not None and total <= PAGE * len(names):
                brands = list((await self._whole(permit)).values())
            else:
                brands = await self._asked_for(names.values(), permit)
        elif names:
            brands = await self._asked_for(names.values(), permit)
        for record in _records(brands):
            if record.matches[0] in found and all(record.key != other.key for other in found[record.matches[0]]):
                found[record.matches[0]].append(record)
        return dict(found)

    async def _asked_for(self, names: Collection[str], permit: Permit) -> list[BrandData]:
        """By name; from the whole listing when one is not found that may be spelt otherwise in the store.

        Identities are case-folded, which the store's own comparison is not: it does not find "Große" under "grosse".
        """
        brands = await self._by_name(names, permit)
        there = {data.name.strip().casefold() for data in brands}
        if all(name in there or (name.isascii() and "ss" not in name) for name in names):
            return brands
        return list((await self._whole(permit)).values())

    async def _by_name(self, names: Iterable[str], permit: Permit) -> list[BrandData]:
        brands: list[BrandData] = []

        async def fetch(name: str) -> None:
            brands.extend((await self._page([("name", name)], permit)).data)

        await in_parallel([partial(fetch, name) for name in names], at_once=self._at_once)
        return brands

    async def _whole(self, permit: Permit) -> dict[int, BrandData]:
        async def fetch(page: int) -> Many[BrandData]:
            return await self._page([("page", page)], permit)

        return await read_steadily(fetch, page_size=PAGE, key=lambda data: data.id, what="brands")

    async def _page(self, params: Params, permit: Permit) -> Many[BrandData]:
        return await self._client.read(PATH, permit, BRANDS, [*params, ("limit", PAGE)])


def _after(cursor: str | None) -> list[tuple[str, str | int]]:
    return [("id:greater", cursor)] if cursor else []


def _records(brands: Iterable[BrandData]) -> tuple[Record, ...]:
    return tuple(map(brand_record, brands))
