"""A seat before one twin store: calls its API by path, in this process, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from storeweave.connectors.bigcommerce.twin import BigCommerceTwin, Figures, TwinSettings, lay_in
from storeweave.ports.transport import Request, Response
from storeweave.twinkit.inprocess import InProcessTransport
from tests.virtual_clock import VirtualClock


class Inbox:
    """Where a twin's webhooks arrive. ``statuses`` are answered in turn, then 200."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, Mapping[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.news = asyncio.Event()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.arrived.append((url, headers, body))
        self.news.set()
        return self.statuses.pop(0) if self.statuses else 200

    def scopes(self) -> list[str]:
        return [json.loads(body)["scope"] for _, _, body in self.arrived]


class Desk:
    """One store, its clock, its inbox, and the client's end of the wire."""

    def __init__(
        self,
        settings: TwinSettings | None = None,
        *,
        seed: int = 1,
        figures: Figures | None = None,
        clock: VirtualClock | None = None,
        controlled: bool = False,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.inbox = Inbox()
        self.twin = BigCommerceTwin(
            settings or TwinSettings(),
            clock=self.clock,
            rng=random.Random(seed),
            post=self.inbox.post,
            controlled=controlled,
        )
        if figures is not None:
            lay_in(self.twin.shop, figures, random.Random(seed))
        self.transport = InProcessTransport([self.twin], clock=self.clock)
        self.token = "twin-token"
        self.merchant = self.twin.merchant

    async def send(
        self, method: str, path: str, body: Any = None, *, timeout_s: float = 10.0, api: str = "v3"
    ) -> Response:
        url = f"{self.twin.origin}/stores/{self.twin.settings.store_hash}/{api}{path}"
        headers = {"X-Auth-Token": self.token, "Accept": "application/json", "Content-Type": "application/json"}
        content = b"" if body is None else json.dumps(body).encode()
        return await self.transport.send(
            Request(method=method, url=url, headers=headers, body=content), timeout_s=timeout_s
        )

    async def call(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """The decoded body; fails when the status is another one."""
        answer = await self.send(method, path, body)
        assert answer.status == status, f"{method} {path}: {answer.status} {answer.body.decode()}"
        return json.loads(answer.body, parse_float=Decimal) if answer.body else None

    async def data(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        return (await self.call(method, path, body, status=status))["data"]

    async def errors(self, method: str, path: str, body: Any = None, *, status: int) -> Mapping[str, str]:
        """What a refusal says is wrong, by field."""
        answer = await self.call(method, path, body, status=status)
        return dict(answer.get("errors") or {})

    async def create(self, name: str = "Mug", sku: str = "MUG", **fields: Any) -> Any:
        """A product, made by the API."""
        body = {"name": name, "sku": sku, "type": "physical", "weight": 1, "price": 12.5, **fields}
        return await self.data("POST", "/catalog/products", body)


def choices(*labels: str, option: str = "Colour") -> list[dict[str, Any]]:
    """The ``variants`` array of a new product with one option."""
    return [
        {"sku": f"MUG-{label}", "option_values": [{"option_display_name": option, "label": label}]} for label in labels
    ]
