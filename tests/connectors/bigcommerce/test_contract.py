"""BigCommerce keeps the contract of every connector, against its twin."""

from __future__ import annotations

import hashlib
import json
import random

from storeweave.connectors.bigcommerce.connector import create
from storeweave.connectors.bigcommerce.twin import BigCommerceTwin, Token, TwinSettings
from storeweave.connectors.memory.shop import content_hash_of
from storeweave.model.kinds import ConnectionName
from storeweave.model.records import Priority
from storeweave.ports.connector import HookRequest
from storeweave.ports.transport import Request, Response, Transport
from storeweave.twinkit.deliveries import signature
from storeweave.twinkit.inprocess import InProcessTransport
from storeweave.twinkit.pictures import png
from tests.contract.stage import Stage
from tests.contract.suite import HookedConnectorContract
from tests.virtual_clock import VirtualClock

PICTURES = "https://pictures.invalid/"


class Free:
    """A budget that never ends."""

    async def spend(self, priority: Priority) -> None:
        """Nobody waits."""

    def learn(self, *, left: int | None, quota: int | None, reset_s: float | None) -> None:
        """Nothing to learn."""

    def hold(self, wait_s: float) -> None:
        raise AssertionError("the unlimited twin never limits")


class WithPictures:
    """The twin's transport, and a web site full of pictures: the last segment of a URL names one."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        if request.url.startswith(PICTURES):
            return Response(status=200, headers={"content-type": "image/png"}, body=await picture_at(request.url))
        return await self._inner.send(request, timeout_s=timeout_s)


async def picture_at(url: str) -> bytes:
    return png(url.removeprefix(PICTURES))


def stage_of(account: str, settings: TwinSettings, *, channel_id: int | None = None) -> Stage:
    """An empty twin store and the connector to it."""
    clock = VirtualClock()
    secret = f"secret-of-{account}-0123456789abcdef"
    settings = TwinSettings(
        store_hash=account,
        tokens={"twin-token": Token(client_secret=secret)},
        read_lag_s=settings.read_lag_s,
        batch_saves_valid_items=settings.batch_saves_valid_items,
    )
    twin = BigCommerceTwin(settings, clock=clock, rng=random.Random(1), fetch=picture_at)
    connector = create(
        {
            "store_hash": account,
            "access_token": "twin-token",
            "client_secret": secret,
            "api_url": twin.origin,
            "read_lag_s": settings.read_lag_s,
            "tree_cache_s": 0,
            "channel_id": channel_id,
        },
        transport=WithPictures(InProcessTransport([twin], clock=clock)),
        budget=Free(),
        clock=clock,
        connection=ConnectionName("shop"),
    )

    def signed(body: bytes | None) -> HookRequest:
        if body is None:
            body = json.dumps(
                {
                    "scope": "store/product/updated",
                    "store_id": "1",
                    "producer": f"stores/{account}",
                    "created_at": int(clock.now().timestamp()),
                    "hash": "0123456789abcdef",
                    "data": {"type": "product", "id": 77},
                }
            ).encode()
        headers = signature(secret.encode(), "msg_1", clock.now().timestamp(), body)
        return HookRequest(headers={name.lower(): value for name, value in headers.items()}, body=body)

    async def settle() -> None:
        clock.push(settings.read_lag_s)

    return Stage(
        connector=connector,
        now=clock.now,
        remote_writes=lambda: twin.calls.writes,
        picture=lambda name: f"{PICTURES}{content_hash_of(name)}",
        picture_hash=lambda name: hashlib.sha256(png(content_hash_of(name))).hexdigest(),
        settle=settle,
        zero_is_none=frozenset({"cost_price", "retail_price", "sale_price", "map_price"}),
        signed=signed,
    )


class TestBigCommerce(HookedConnectorContract):
    async def open(self, account: str = "one") -> Stage:
        return stage_of(account, TwinSettings())


class TestBigCommerceThatSavesInParts(HookedConnectorContract):
    """Reads are late, and a batch with a bad item is saved without it (207)."""

    async def open(self, account: str = "one") -> Stage:
        return stage_of(account, TwinSettings(read_lag_s=2.0, batch_saves_valid_items=True))


class TestBigCommerceWithAChannel(HookedConnectorContract):
    """Products show the state of their listing on a channel."""

    async def open(self, account: str = "one") -> Stage:
        return stage_of(account, TwinSettings(), channel_id=2)
