"""One life of a hub that is stricter than ``storeweave serve``, can be a mutant, and dies on the spot when it is told.

``python -m tests.crash.hub_process '{"database": ..., ...}'`` serves until it is killed. The first full
pass starts as soon as the webhooks are subscribed, and again in the next life until it has come to its end. Polls and
sweeps stay off: they would repair what a webhook that was acknowledged and lost has broken, and hide it.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import msgspec
import structlog
import uvicorn

from storeweave.access.address_guard import AddressGuard
from storeweave.app.dispatch import dispatcher_for, with_dispatcher
from storeweave.app.hub import Hub, HubOptions
from storeweave.app.transport import HttpTransport
from storeweave.connectors.bigcommerce.connector import BigCommerce
from storeweave.connectors.bigcommerce.settings import BigCommerceSettings
from storeweave.connectors.bigcommerce.twin import Token
from storeweave.engine.budget import Purse
from storeweave.intake.door import PREFIX, Door, Gate, hook_url
from storeweave.model.errors import StoreweaveError
from storeweave.model.flow import Deletes, FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName
from storeweave.model.records import Notice
from storeweave.ports.clock import SystemClock
from storeweave.ports.connector import HookReport
from storeweave.storage.store import SqlStore, open_store

A, B = ConnectionName("a"), ConnectionName("b")
FLOW = FlowSpec(name=FlowName("a-to-b"), source=A, destination=B, deletes=Deletes.DELETE)
SECRET = "path-secret"
FIRST = "first-sync:a-to-b"


class HubOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a life is told."""

    database: str
    a_url: str
    b_url: str
    port: int
    life: int = 0
    mutant: str = ""
    seed: int = 1
    request_timeout_s: float = 0.5
    late_landing_s: float = 1.5
    concurrency: int = 8
    read_lag_s: float = 0.0
    probe_s: float = 1.0
    file_limit_bytes: int | None = None


Accept = Callable[[Sequence[Notice]], Awaitable[object]]


def answering_before_the_commit(accept: Accept) -> Accept:
    """The mutant: the door answers 200 while the commit is still under way."""
    under_way = set[asyncio.Task[object]]()

    async def promised(notices: Sequence[Notice]) -> None:
        task = asyncio.ensure_future(accept(notices))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    return promised


class Mortal:
    """The door, in a process that dies at the instant when its n-th acknowledgement has left: the sharpest moment."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.answers_left: int | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        is_webhook = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await self._door(scope, receive, self._counted(send) if is_webhook else send)

    def _counted(self, send: Any) -> Any:
        acknowledges = False

        async def counted(message: Any) -> None:
            nonlocal acknowledges
            await send(message)
            if message["type"] == "http.response.start":
                acknowledges = message["status"] == 200
            elif acknowledges and self.answers_left is not None:
                self.answers_left -= 1
                if self.answers_left <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        return counted


MUTANTS: dict[str, Callable[[Accept], Accept]] = {
    "": lambda accept: accept,
    "ack-before-commit": answering_before_the_commit,
}


class Life:
    """One process of the hub with all that belongs to it."""

    def __init__(self, order: HubOrder, store: SqlStore) -> None:
        self._order = order
        self._clock = SystemClock()
        self.store = store
        self._transport = HttpTransport(AddressGuard(_nothing_found, allow_loopback=True))
        self._purses = {name: Purse(self._clock) for name in (A, B)}
        self.connectors = {A: self._connector(A, order.a_url), B: self._connector(B, order.b_url)}
        self.dispatcher = dispatcher_for(order.database, store, self._clock)
        self.hub = Hub(
            store=store,
            connectors=self.connectors,
            hooked={A: self.connectors[A]},
            flows=[FLOW],
            clock=self._clock,
            rng=Random(f"{order.seed}/{order.life}"),
            options=HubOptions(
                holder=f"life-{order.life}",
                exclusive=store.exclusive,
                probe_s=order.probe_s,
                hook_urls={A: hook_url(f"http://127.0.0.1:{order.port}", A, SECRET)},
            ),
            ring_others=self.dispatcher.ring,
        )
        accept = MUTANTS[order.mutant](self.hub.journal.accept)
        gates = {str(A): Gate((SECRET.encode(),), self.connectors[A])}
        self.door = Door(gates, accept, self._clock, inner=self._inner)
        self.mortal = Mortal(self.door)

    def _connector(self, name: ConnectionName, url: str) -> BigCommerce:
        order = self._order
        settings = BigCommerceSettings.model_validate(
            {
                "store_hash": name,
                "access_token": "twin-token",
                "client_secret": Token().client_secret,
                "api_url": url,
                "currency": "USD",
                "request_timeout_s": order.request_timeout_s,
                "concurrency": order.concurrency,
                "late_landing_s": order.late_landing_s,
                "read_lag_s": order.read_lag_s,
                "allow_http_hooks": True,
            }
        )
        return BigCommerce(
            settings, transport=self._transport, budget=self._purses[name], clock=self._clock, connection=name
        )

    async def run(self) -> None:
        """Until killed."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(with_dispatcher(self.hub, self.dispatcher))
            group = await stack.enter_async_context(asyncio.TaskGroup())
            group.create_task(self.hub.run(ticking=False), name="hub")
            group.create_task(self._begin(), name="begin")
            await uvicorn.Server(_serving(self.mortal, self._order.port)).serve()

    async def _begin(self) -> None:
        """What has to be done once, and again in each life until it is done."""
        await self._repeat(self._checked)
        await self._repeat(self._subscribed)
        if await self.store.get_value(FIRST) is None:
            await self._repeat(self._listed)
            await self.store.put_value(FIRST, "done")

    async def _repeat(self, step: Callable[[], Awaitable[bool]]) -> None:
        while not await step():
            await self._clock.sleep(0.1)

    async def _checked(self) -> bool:
        found = await self.hub.check_accounts()
        return not any(isinstance(account, StoreweaveError) for account in found.values())

    async def _subscribed(self) -> bool:
        return isinstance((await self.hub.ensure_hooks())[A], HookReport)

    async def _listed(self) -> bool:
        try:
            await self.hub.full(FLOW)
        except StoreweaveError:
            return False
        return True

    async def _inner(self, scope: Any, receive: Any, send: Any) -> None:
        """``/status``: what the hub believes, for whoever waits for it. ``/die/N``: at the N-th acknowledgement."""
        del receive
        if scope["path"].startswith("/die/"):
            self.mortal.answers_left = int(scope["path"].removeprefix("/die/"))
        backlog = await self.store.backlog(self._clock.now())
        told = {
            "first_sync": await self.store.get_value(FIRST),
            **{name: sum(getattr(b, name) for b in backlog) for name in ("dirty", "backing_off", "parked", "held")},
            "causes": [f"{c.count} {c.reason_code}: {c.reason}" for c in await self.store.parked_causes()],
            "brakes": [b.message for b in await self.store.brakes()],
            "calls_to_b": self._purses[B].calls,
            "is_out": self.hub.lanes.lanes[FLOW.lane]._breaker.is_open,
        }
        body = json.dumps(told).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _serving(app: Mortal, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )


async def _nothing_found(host: str, port: int) -> Sequence[str]:
    raise OSError(f"no names are looked up here, not even {host}:{port}")


async def main(order: HubOrder) -> None:
    store = open_store(order.database, exclusive=order.database.startswith("sqlite"))
    await Life(order, store).run()


if __name__ == "__main__":
    told = msgspec.json.decode(sys.argv[1], type=HubOrder)
    if told.file_limit_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (told.file_limit_bytes, resource.RLIM_INFINITY))
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f"),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asyncio.run(main(told))
