"""Finding products by what they are called: SKU of the product, SKU of a variant, name.

The API looks up many product SKUs in one call, but variant SKUs and names only one at a time. When many are asked for,
a listing of the bare SKUs or names may take fewer calls: the first page tells how long the listing is, and the cheaper
way is gone. SKUs and names are compared without regard to case, as BigCommerce keeps them unique.
Source: GET /catalog/products (sku, sku:in, name, include_fields), GET /catalog/variants (sku, include_fields).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

from storeweave.connectors.bigcommerce.client import Client, Params
from storeweave.connectors.bigcommerce.parallel import in_parallel
from storeweave.connectors.bigcommerce.payloads import Many, ProductData
from storeweave.connectors.bigcommerce.product_reads import PAGE, PRODUCTS, SHOWN, ProductReads
from storeweave.connectors.bigcommerce.steady import read_steadily
from storeweave.model.records import Record
from storeweave.ports.permit import Permit

URL_CHARS: Final = 3000  # of SKUs in one address
FEW: Final = 2


class NamedProduct(msgspec.Struct, gc=False):
    """A product in a bare listing."""

    id: int
    name: str = ""


class NamedVariant(msgspec.Struct, gc=False):
    """A variant in a bare listing."""

    id: int
    product_id: int
    sku: str = ""


NAMED_PRODUCTS: Final = msgspec.json.Decoder(Many[NamedProduct])
NAMED_VARIANTS: Final = msgspec.json.Decoder(Many[NamedVariant])
Fetch = Callable[[int], Awaitable[Many[NamedVariant]]]


class ProductFinder:
    """Looks products up by their natural identities."""

    def __init__(self, client: Client, reads: ProductReads, *, at_once: int) -> None:
        self._client = client
        self._reads = reads
        self._at_once = at_once

    async def find(self, matches: Sequence[str], permit: Permit) -> dict[str, Sequence[Record]]:
        """Whole records by match; several when more than one product carries it."""
        by_sku = await self._by_sku(_bare(matches, "sku:"), permit)
        ids = await self._by_variant_sku(_bare(matches, "variant-sku:"), permit)
        ids |= await self._by_name(_bare(matches, "name:"), permit)
        missing = sorted(ids - by_sku.keys())
        for at in range(0, len(missing), PAGE):
            by_sku.update(await self._reads.shown(missing[at : at + PAGE], permit))
        records = await self._reads.whole_records(by_sku, permit)
        carriers: dict[str, list[Record]] = {}
        for record in records:
            for identity in _identities(record):
                carriers.setdefault(identity, []).append(record)
        return {match: carriers.get(match.casefold(), []) for match in matches}

    async def _by_sku(self, skus: Sequence[str], permit: Permit) -> dict[int, ProductData]:
        found: dict[int, ProductData] = {}

        async def fetch(params: Params) -> None:
            many = await self._client.read(
                "/catalog/products", permit, PRODUCTS, [*params, ("include", SHOWN), ("limit", PAGE)]
            )
            found.update({data.id: data for data in many.data})

        jobs = [partial(fetch, [("sku", sku)]) for sku in skus if "," in sku]
        jobs.extend(
            partial(fetch, [("sku:in", ",".join(chunk))]) for chunk in chunks([s for s in skus if "," not in s])
        )
        await in_parallel(jobs, at_once=self._at_once)
        return found

    async def _by_variant_sku(self, skus: Sequence[str], permit: Permit) -> set[int]:
        """Ids of products with such a variant."""
        wanted = {sku.casefold() for sku in skus}
        bare: list[tuple[str, str | int]] = [("include_fields", "product_id,sku"), ("limit", PAGE)]

        async def one(sku: str) -> None:
            many = await self._client.read("/catalog/variants", permit, NAMED_VARIANTS, [("sku", sku), *bare])
            found.extend(many.data)

        async def page(number: int) -> Many[NamedVariant]:
            return await self._client.read("/catalog/variants", permit, NAMED_VARIANTS, [("page", number), *bare])

        found: list[NamedVariant] = []
        if len(skus) > FEW:
            first = await page(1)
            if _pages(first) <= len(skus):
                found.extend(await self._rest(first, page, "variants"))
                skus = []
        await in_parallel([partial(one, sku) for sku in skus], at_once=self._at_once)
        return {variant.product_id for variant in found if variant.sku.casefold() in wanted}

    async def _rest(self, first: Many[NamedVariant], page: Fetch, what: str) -> Iterable[NamedVariant]:
        if _pages(first) <= 1:
            return first.data
        return (
            await read_steadily(page, page_size=PAGE, key=lambda variant: variant.id, what=what, at_once=self._at_once)
        ).values()

    async def _by_name(self, names: Sequence[str], permit: Permit) -> set[int]:
        """Ids of products with such a name."""
        wanted = {name.casefold() for name in names}
        bare: list[tuple[str, str | int]] = [("include_fields", "name"), ("limit", PAGE)]
        ordered: list[tuple[str, str | int]] = [*bare, ("sort", "id"), ("direction", "asc")]
        found: list[NamedProduct] = []

        async def one(name: str) -> None:
            many = await self._client.read("/catalog/products", permit, NAMED_PRODUCTS, [("name", name), *bare])
            found.extend(many.data)

        if len(names) > FEW:
            many = await self._client.read("/catalog/products", permit, NAMED_PRODUCTS, ordered)
            if _pages(many) <= len(names):
                found.extend(many.data)
                while len(many.data) >= PAGE:
                    after = [("id:greater", many.data[-1].id), *ordered]
                    many = await self._client.read("/catalog/products", permit, NAMED_PRODUCTS, after)
                    found.extend(many.data)
                names = []
        await in_parallel([partial(one, name) for name in names], at_once=self._at_once)
        return {product.id for product in found if product.name.casefold() in wanted}


def _bare(matches: Iterable[str], prefix: str) -> list[str]:
    return [match.removeprefix(prefix) for match in matches if match.startswith(prefix) and len(match) > len(prefix)]


def _identities(record: Record) -> set[str]:
    identities = {match.casefold() for match in record.matches}
    for fields in record.parts.get("variants", {}).values():
        if fields.get("sku"):
            identities.add(f"variant-sku:{fields['sku']}".casefold())
    return identities


def _pages(many: Many[NamedVariant] | Many[NamedProduct]) -> int:
    total = many.meta.pagination.total if many.meta.pagination else None
    return 1 << 31 if total is None else -(-total // PAGE)


def chunks(skus: Sequence[str]) -> Iterator[list[str]]:
    """SKUs in lists that fit into one address each."""
    chunk: list[str] = []
    chars = 0
    for sku in skus:
        if chunk and (chars + len(sku.encode()) * 3 > URL_CHARS or len(chunk) >= PAGE):
            yield chunk
            chunk, chars = [], 0
        chunk.append(sku)
        chars += len(sku.encode()) + 1
    if chunk:
        yield chunk
