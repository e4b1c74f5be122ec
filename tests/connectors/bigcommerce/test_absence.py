"""A listing that lacks a key proves nothing; only the vendor's own 404 does."""

from __future__ import annotations

import pytest

from storeweave.connectors.bigcommerce import create
from storeweave.model.errors import TransientError
from storeweave.model.kinds import ConnectionName, Key, Kind
from storeweave.ports.transport import Request, Response, Transport
from tests.connectors.bigcommerce.seat import FREE, Purse, Seat

PATHS = {
    Kind.PRODUCT: "/catalog/products",
    Kind.BRAND: "/catalog/brands",
    Kind.CATEGORY: "/catalog/trees/categories",
}


class EmptyListings:
    """A vendor whose listings are empty though they answer 200."""

    def __init__(self, inner: Transport, path: str) -> None:
        self._inner, self._path = inner, path

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        if request.method == "GET" and request.url.partition("?")[0].endswith(f"/v3{self._path}"):
            return Response(status=200, body=b'{"data":[],"meta":{}}')
        return await self._inner.send(request, timeout_s=timeout_s)


@pytest.mark.parametrize("kind", list(PATHS))
async def test_an_empty_listing_makes_nothing_disappear(kind: Kind) -> None:
    seat = Seat()
    seat.merchant.create_category("Cups")
    seat.merchant.do("POST", "/catalog/brands", {"name": "Loomworks"})
    seat.merchant.create_product("Mug", "MUG-1", 9)
    (record, *_) = (await seat.connector.scan(kind, None, FREE)).records
    lying = create(
        {"store_hash": seat.twin.settings.store_hash, "access_token": "twin-token", "api_url": seat.twin.origin},
        transport=EmptyListings(seat.wire, PATHS[kind]),
        budget=Purse(),
        clock=seat.desk.clock,
        connection=ConnectionName("a"),
    )
    with pytest.raises(TransientError, match="yet it is there"):
        await lying.read(kind, [record.key], FREE)


@pytest.mark.parametrize("kind", list(PATHS))
async def test_what_the_vendor_answers_with_404_is_gone(kind: Kind) -> None:
    assert await Seat().connector.read(kind, [Key("4711")], FREE) == {"4711": None}
