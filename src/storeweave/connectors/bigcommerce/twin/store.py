"""The twin of one BigCommerce store: tokens, headers, refusals and routes around its ``Shop``."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin import (
    account,
    brands,
    categories,
    channels,
    hooks,
    images,
    modifiers,
    options,
    parts,
    products,
    stock,
    variants,
)
from storeweave.connectors.bigcommerce.twin.control import answered
from storeweave.connectors.bigcommerce.twin.events import Announcer
from storeweave.connectors.bigcommerce.twin.merchant import Merchant
from storeweave.connectors.bigcommerce.twin.render import STATUS_PAGE
from storeweave.connectors.bigcommerce.twin.settings import TwinSettings
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.ports.clock import Clock
from storeweave.twinkit.deliveries import Deliveries, Post
from storeweave.twinkit.limits import WindowState
from storeweave.twinkit.router import Route
from storeweave.twinkit.twin import Fetch, Fetched, Twin
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

V3_ROUTES: tuple[Route, ...] = (
    *products.ROUTES,
    *variants.ROUTES,
    *options.ROUTES,
    *modifiers.ROUTES,
    *images.ROUTES,
    *parts.ROUTES,
    *categories.ROUTES,
    *brands.ROUTES,
    *channels.ROUTES,
    *hooks.ROUTES,
    *stock.ROUTES,
)
V2_ROUTES: tuple[Route, ...] = tuple(account.ROUTES)


class BigCommerceTwin(Twin):
    """One store. ``rng`` decides everything random; ``post`` sends webhooks, ``fetch`` gets images from elsewhere."""

    def __init__(
        self,
        settings: TwinSettings | None = None,
        *,
        clock: Clock,
        rng: random.Random,
        post: Post | None = None,
        fetch: Fetch | None = None,
        controlled: bool = False,
    ) -> None:
        self.settings = settings = settings or TwinSettings()
        base = f"/stores/{settings.store_hash}"
        super().__init__(
            [
                *(
                    replace(route, template=f"{base}/v3{route.template}", name=f"/v3{route.template}")
                    for route in V3_ROUTES
                ),
                *(
                    replace(route, template=f"{base}/v2{route.template}", name=f"/v2{route.template}")
                    for route in V2_ROUTES
                ),
            ],
            clock=clock,
            rng=rng,
            origin=settings.base(),
            quota=settings.quota,
            caps=settings.caps,
            latency_s=settings.latency_s,
            fetch=fetch,
        )
        self.controlled = controlled
        self._tokens = settings.token_table()
        main = next(iter(self._tokens.values()))
        self.deliveries = Deliveries(
            clock=clock,
            rng=random.Random(rng.getrandbits(64)),
            secret=main.client_secret.encode(),
            post=post,
            retries_s=settings.hook_retries_s,
            time_scale=settings.hook_time_scale,
            delay_s=settings.hook_delay_s,
            on_exhausted=self._deactivate,
            blocks_domains=settings.blocks_domains,
        )
        number = str(account.store_id(settings.store_hash))
        announcer = Announcer(
            store_hash=settings.store_hash,
            store_id=number,
            clock=clock,
            deliveries=self.deliveries,
            warm_up_s=settings.hook_warm_up_s,
        )
        self.shop: Shop = Shop(settings, clock=clock, rng=rng, landings=self.landings, announcer=announcer)

    @property
    def api_url(self) -> str:
        """The base of the V3 API."""
        return f"{self.origin}/stores/{self.settings.store_hash}/v3"

    def world(self) -> Shop:
        return self.shop

    def authorise(self, call: Call, route: Route) -> Answer | None:
        token = self._tokens.get(call.headers.get("x-auth-token", ""))
        if token is None:
            return Answer(401, b'{"status":401,"title":"Unauthorized","type":"about:blank"}')
        if not token.writes and not route.is_read and "/hooks" not in route.template:
            title = "Your credentials do not have the required scopes"
            return self.refuse(Refusal(403, title))
        self.shop.client_id = token.client_id
        return None

    def refuse(self, refusal: Refusal) -> Answer:
        if isinstance(refusal, variants.BatchRefusal):
            return Answer(422, encode({"batch_errors": refusal.problems}))
        body: dict[str, Any] = {"status": refusal.status, "title": refusal.title, "type": STATUS_PAGE}
        if refusal.status in {409, 422}:
            body["errors"] = refusal.errors
        return Answer(refusal.status, encode(body))

    def quota_headers(self, state: WindowState) -> Mapping[str, str]:
        return {
            "x-rate-limit-requests-left": str(state.left),
            "x-rate-limit-requests-quota": str(state.quota),
            "x-rate-limit-time-window-ms": str(int(state.window_s * 1000)),
            "x-rate-limit-time-reset-ms": str(math.ceil(state.reset_s * 1000)),
        }

    def keep_fetched(self, fetched: Fetched) -> None:
        self.shop.fetched = fetched

    def unmetered(self, call: Call) -> Answer | None:
        return images.served(self.shop, call.path) if call.path.startswith("/img/") else None

    def _run(self, call: Call, route: Route, ids: tuple[int, ...], fetched: Fetched) -> Answer:
        answer = super()._run(call, route, ids, fetched)
        self.shop.count_creations(succeeded=answer.status < 300)
        return answer

    def control(self, call: Call) -> Answer:
        return answered(self, call) if self.controlled else super().control(call)

    @property
    def merchant(self) -> Merchant:
        """The merchant's hands on this store."""
        return Merchant(self)

    async def deliver_due(self) -> int:
        """Let effects take place and send the webhooks that are due; their number."""
        self.settle()
        return await self.deliveries.deliver_due()

    async def run(self) -> None:
        """Let effects take place and deliver webhooks for ever; the caller owns the task and cancels it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.landings.run(self.clock))
            group.create_task(self.deliveries.run())

    def _deactivate(self, hook_id: int) -> None:
        hook = self.shop.announcer.hooks.get(hook_id)
        if hook is not None:
            self.shop.announcer.hooks[hook_id] = msgspec.structs.replace(hook, is_active=False)
