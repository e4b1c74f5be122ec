"""A twin store as a server of its own process: ``python -m storeweave.connectors.bigcommerce.twin --products 50``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin.catalogue import Figures, lay_in
from storeweave.connectors.bigcommerce.twin.settings import PLANS, TwinSettings
from storeweave.connectors.bigcommerce.twin.store import BigCommerceTwin
from storeweave.ports.clock import SystemClock
from storeweave.twinkit.asgi import TwinApp
from storeweave.twinkit.faults import FaultRates
from storeweave.twinkit.posting import Outwards
from storeweave.twinkit.serving import TwinServer, bind, origin_of
from storeweave.twinkit.twin import CONTROL
from storeweave.twinkit.wire import encode


async def serve(
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    seed: int = 1,
    figures: Figures | None = None,
    settings: TwinSettings | None = None,
    faults: FaultRates | None = None,
    control: bool = False,
    announce: Callable[[Mapping[str, object]], None] = lambda _: None,
) -> None:
    """Serve one store until cancelled. ``announce`` gets its addresses and secrets once it listens."""
    listener = bind(host, port)
    origin = origin_of(listener)
    settings = replace(settings or TwinSettings(), origin=origin)
    async with Outwards() as outwards, asyncio.TaskGroup() as group:
        twin = BigCommerceTwin(
            settings,
            clock=SystemClock(),
            rng=random.Random(seed),
            post=outwards.post,
            fetch=outwards.fetch,
            controlled=control,
        )
        lay_in(twin.shop, figures or Figures(products=0), random.Random(seed))
        twin.faults.set(faults)
        pump = group.create_task(twin.run())
        server = TwinServer(TwinApp(twin), listener, on_ready=lambda: announce(addresses(twin)))
        await server.serve()
        pump.cancel()


def addresses(twin: BigCommerceTwin) -> dict[str, object]:
    """All that a client needs to know."""
    tokens = twin.settings.token_table()
    name, token = next(iter(tokens.items()))
    return {
        "url": twin.origin,
        "api_url": twin.api_url,
        "store_hash": twin.settings.store_hash,
        "token": name,
        "client_id": token.client_id,
        "client_secret": token.client_secret,
        "control_url": twin.origin + CONTROL if twin.controlled else None,
        "products": len(twin.shop.entries),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the twin."""
    parser = argparse.ArgumentParser(prog="storeweave.connectors.bigcommerce.twin", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--products", type=int, default=0)
    parser.add_argument("--store-hash", default="twin")
    parser.add_argument("--plan", choices=sorted(PLANS), default="enterprise", help="decides the calls per 30 s")
    parser.add_argument("--latency-s", type=float, default=0.0)
    parser.add_argument("--read-lag-s", type=float, default=0.0)
    parser.add_argument("--first-id", type=int, default=100)
    parser.add_argument("--hook-time-scale", type=float, default=1.0, help="0.01: retries a hundred times sooner")
    parser.add_argument("--faults", type=float, default=0.0, help="share of calls that go wrong")
    parser.add_argument("--control", action="store_true", help="serve the control API")
    chosen = parser.parse_args(arguments)
    settings = TwinSettings(
        store_hash=chosen.store_hash,
        name=f"Twin store {chosen.store_hash}",
        quota=PLANS[chosen.plan],
        latency_s=chosen.latency_s,
        read_lag_s=chosen.read_lag_s,
        first_id=chosen.first_id,
        hook_time_scale=chosen.hook_time_scale,
    )

    def announce(facts: Mapping[str, object]) -> None:
        sys.stdout.write(encode(facts).decode() + "\n")
        sys.stdout.flush()

    service = serve(
        port=chosen.port,
        host=chosen.host,
        seed=chosen.seed,
        figures=Figures(products=chosen.products),
        settings=settings,
        faults=FaultRates.evenly(chosen.faults) if chosen.faults else None,
        control=chosen.control,
        announce=announce,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(service)
