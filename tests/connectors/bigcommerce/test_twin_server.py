"""The twin as a server of its own: real sockets, broken connections, the control API, webhooks over HTTP."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from storeweave.connectors.bigcommerce.twin import BigCommerceTwin, Figures, TwinSettings, lay_in
from storeweave.ports.clock import SystemClock
from storeweave.twinkit.asgi import TwinApp
from storeweave.twinkit.posting import Outwards
from storeweave.twinkit.serving import TwinServer, bind, origin_of
from tests.connectors.bigcommerce.desk import Inbox

HEADERS = {"X-Auth-Token": "twin-token"}


@asynccontextmanager
async def _served(
    *, controlled: bool = False, inbox: Inbox | None = None
) -> AsyncIterator[tuple[BigCommerceTwin, httpx2.AsyncClient]]:
    listener = bind("127.0.0.1", 0)
    async with Outwards() as outwards:
        twin = BigCommerceTwin(
            TwinSettings(origin=origin_of(listener)),
            clock=SystemClock(),
            rng=random.Random(1),
            post=inbox.post if inbox is not None else outwards.post,
            fetch=outwards.fetch,
            controlled=controlled,
        )
        lay_in(twin.shop, Figures(products=12, mean_images=2.0), random.Random(1))
        server = TwinServer(TwinApp(twin, hold_s=5), listener)
        await server.start()
        pump = asyncio.create_task(twin.run())
        try:
            async with httpx2.AsyncClient(base_url=twin.origin, headers=HEADERS, timeout=5) as client:
                yield twin, client
        finally:
            pump.cancel()
            await server.stop()


async def test_it_answers_over_a_socket_with_exact_numbers_and_images() -> None:
    async with _served() as (twin, client):
        answer = await client.get("/stores/twin/v3/catalog/products", params={"include": "images", "limit": 250})
        assert answer.status_code == 200
        assert answer.headers["x-rate-limit-requests-quota"] == "1000000"
        products = answer.json()["data"]
        assert len(products) == 12
        image = next(product["images"][0] for product in products if product["images"])
        picture = await client.get(image["url_zoom"])
        assert picture.headers["content-type"] == "image/png"
        assert picture.content.startswith(b"\x89PNG")
        deleted = await client.delete(f"/stores/twin/v3/catalog/products/{products[0]['id']}")
        assert (deleted.status_code, deleted.content) == (204, b"")
        assert len(twin.shop.entries) == 11


async def test_connections_break_as_the_fault_plan_says() -> None:
    async with _served(controlled=True) as (_, client):
        url = "/stores/twin/v3/catalog/products"
        await client.post("/__twin__/faults", json={"torn": 1})
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get(url)
        await client.post("/__twin__/faults", json={"reset_before": 1})
        with pytest.raises(httpx2.TransportError):
            await client.get(url)
        await client.post("/__twin__/faults", json={"silent": 1})
        with pytest.raises(httpx2.ReadTimeout):
            await client.get(url, timeout=0.2)
        await client.post("/__twin__/faults", json={})
        assert (await client.get(url)).status_code == 200


async def test_a_request_that_timed_out_lands_by_itself() -> None:
    inbox = Inbox()
    async with _served(controlled=True, inbox=inbox) as (twin, client):
        hook = {"scope": "store/product/created", "destination": "https://hub.example/in"}
        await client.post("/stores/twin/v3/hooks", json=hook)
        await client.post("/__twin__/faults", json={"late": 1, "late_s": [0.3, 0.3]})
        body = {"name": "Mug", "sku": "MUG", "type": "physical", "weight": 1, "price": 1}
        with pytest.raises(httpx2.ReadTimeout):
            await client.post("/stores/twin/v3/catalog/products", json=body, timeout=0.1)
        assert "mug" not in twin.shop.skus
        async with asyncio.timeout(10):
            await inbox.news.wait()
        assert "mug" in twin.shop.skus


async def test_the_control_api_is_there_only_when_asked_for_and_works_in_an_outage() -> None:
    async with _served() as (_, client):
        assert (await client.get("/__twin__/state")).status_code == 404
    async with _served(controlled=True) as (twin, client):
        await client.post("/__twin__/outage", json={"mode": "503"})
        assert (await client.get("/stores/twin/v2/time")).status_code == 503
        state = (await client.get("/__twin__/state")).json()
        assert len(state["products"]) == 12
        await client.post("/__twin__/outage", json={"mode": None})
        sku = twin.merchant.skus()[0]
        edit = {"deed": "edit_product", "with": {"sku": sku, "price": 3.25}}
        assert (await client.post("/__twin__/merchant", json=edit)).status_code == 200
        assert (await client.get("/__twin__/state")).json()["products"][sku]["price"] == 3.25
        wrong = await client.post("/__twin__/merchant", json={"deed": "edit_product", "with": {"sku": "none"}})
        assert wrong.status_code == 400
        calls = (await client.get("/__twin__/calls")).json()
        assert calls["by_route"] == {"GET outage": 1}
        assert (await client.post("/__twin__/poison", json={"skus": [sku]})).json() == {"skus": [sku.lower()]}
        assert (await client.get("/__twin__/doubles")).json() == {"doubles": [], "recreated": []}
        assert (await client.get("/__twin__/hooks")).json()["sent"] == 0


@pytest.fixture
def process() -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "storeweave.connectors.bigcommerce.twin", "--products", "7", "--control"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout is not None
            yield json.loads(running.stdout.readline())
        finally:
            running.terminate()


async def test_as_a_process_it_says_where_it_is_and_serves(process: dict[str, Any]) -> None:
    async with httpx2.AsyncClient(headers={"X-Auth-Token": process["token"]}) as client:
        answer = await client.get(f"{process['api_url']}/catalog/products")
        assert answer.json()["meta"]["pagination"]["total"] == process["products"] == 7
        digest = (await client.get(process["control_url"] + "digest")).json()
        assert digest["products"] == 7
