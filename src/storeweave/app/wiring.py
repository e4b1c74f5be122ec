"""From a configuration to a running hub: the one place that knows everybody.

``wire`` opens the database and the connections of a checked configuration and hands out everything a command or a
server needs; leaving the block closes it all again.
"""

from __future__ import annotations

import importlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom
from typing import Protocol, cast

import msgspec

from storeweave.access.address_guard import AddressGuard
from storeweave.app.config import Config, Connected
from storeweave.app.dispatch import dispatcher_for
from storeweave.app.hub import Hub, HubOptions
from storeweave.app.local import LocalHub
from storeweave.app.shadow import SHADOW, Shadow
from storeweave.app.transport import HttpTransport, resolve
from storeweave.app.views import Views
from storeweave.engine.budget import Purse
from storeweave.intake.door import Gate, hook_url, path_secret
from storeweave.model.errors import ConfigError
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName
from storeweave.ports.clock import Clock, SystemClock
from storeweave.ports.connector import Connector, HookedConnector
from storeweave.ports.dispatcher import Dispatcher
from storeweave.ports.permit import CallBudget
from storeweave.ports.store import Store
from storeweave.ports.transport import Transport
from storeweave.storage.store import SqlStore, open_store

HOOK_ROOT = "hook-root"


class MakesConnector(Protocol):
    """What a connector's package offers as ``create``."""

    def __call__(
        self,
        settings: Mapping[str, object],
        *,
        transport: Transport,
        budget: CallBudget,
        clock: Clock,
        connection: ConnectionName,
    ) -> Connector: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """A configuration come to life."""

    config: Config
    store: SqlStore
    hub: Hub
    local: LocalHub
    gates: Mapping[str, Gate]
    purses: Mapping[ConnectionName, Purse]
    dispatcher: Dispatcher
    transport: Transport


@asynccontextmanager
async def wire(
    config: Config,
    *,
    serving: bool = False,
    transport: Transport | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Wired]:
    """Open everything. ``serving``: this process works the lanes, so it takes the lock of an SQLite database.

    Raises ConfigError when the database or a connector cannot be opened.
    """
    clock = clock or SystemClock()
    ours = None if transport is not None else HttpTransport(_guard(config))
    carrier = transport if transport is not None else ours
    if carrier is None:
        raise ConfigError("there is no transport")
    store = open_store(config.database_url, clock=clock, exclusive=serving and config.sqlite_path is not None)
    try:
        yield await _wired(config, store, carrier, clock, serving=serving)
    finally:
        await store.close()
        if ours is not None:
            await ours.close()


async def _wired(config: Config, store: SqlStore, transport: Transport, clock: Clock, *, serving: bool) -> Wired:
    purses = {name: Purse(clock, calls_per_s=made.calls_per_s) for name, made in config.connections.items()}
    connectors = {
        name: connector(made, transport=transport, budget=purses[name], clock=clock)
        for name, made in config.connections.items()
    }
    flows, shadows = _flows(config, connectors, clock)
    hooked = {name: cast("HookedConnector", c) for name, c in connectors.items() if hasattr(c, "ensure_hooks")}
    root = await _hook_root(store)
    sources = {f.source for f in flows}
    gates = {
        str(name): Gate(secrets=(path_secret(root, name).encode(),), receiver=c)
        for name, c in hooked.items()
        if name in sources
    }
    dispatcher = dispatcher_for(config.database_url, store, clock)
    hub = Hub(
        store=store,
        connectors=connectors,
        hooked=hooked,
        flows=flows,
        clock=clock,
        rng=SystemRandom(),
        options=_options(config, root, exclusive=serving and store.exclusive),
        ring_others=dispatcher.ring,
    )
    views = Views(
        store,
        clock,
        {f.name: f for f in flows},
        {name: made.connector for name, made in config.connections.items()},
        spent=purses,
        shadows=shadows,
    )
    return Wired(
        config=config,
        store=store,
        hub=hub,
        local=LocalHub(hub, views, background=serving),
        gates=gates,
        purses=purses,
        dispatcher=dispatcher,
        transport=transport,
    )


def connector(made: Connected, *, transport: Transport, budget: CallBudget, clock: Clock) -> Connector:
    """The connector of one configured connection. Raises ConfigError when its package cannot make one."""
    module = importlib.import_module(f"storeweave.connectors.{made.connector}")
    create = cast("MakesConnector | None", getattr(module, "create", None))
    if create is None:
        raise ConfigError(f"connector {made.connector!r} cannot be used in a configuration")
    return create(made.settings.model_dump(), transport=transport, budget=budget, clock=clock, connection=made.name)


def _flows(
    config: Config, connectors: dict[ConnectionName, Connector], clock: Clock
) -> tuple[list[FlowSpec], frozenset[FlowName]]:
    """The flows; a shadow flow gets a name, a destination and so a state of its own, and never writes outside."""
    flows, shadows = [], set[FlowName]()
    for name, spec in config.flows.items():
        if not config.flow_tables[name].shadow:
            flows.append(spec)
            continue
        there = ConnectionName(spec.destination + SHADOW)
        connectors.setdefault(there, Shadow(connectors[spec.destination], clock))
        shadow = msgspec.structs.replace(spec, name=FlowName(spec.name + SHADOW), destination=there)
        shadows.add(shadow.name)
        flows.append(shadow)
    return flows, frozenset(shadows)


def _guard(config: Config) -> AddressGuard:
    return AddressGuard(resolve, allowed=config.hub.allow_private_hosts, allow_loopback=config.hub.allow_loopback)


async def _hook_root(store: Store) -> bytes:
    """The random root of our webhook addresses; made once, the same in every process."""
    return bytes.fromhex(await store.keep_value(HOOK_ROOT, secrets.token_hex(32)))


def _options(config: Config, root: bytes, *, exclusive: bool) -> HubOptions:
    hub, tables = config.hub, config.flow_tables.values()
    return HubOptions(
        holder=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        lease_s=hub.lease_s,
        exclusive=exclusive,
        poll_period_s=min((t.poll_period_s for t in tables), default=60.0),
        sweep_period_s=min((t.sweep_period_hours for t in tables), default=24.0) * 3600,
        journal_retention=timedelta(hours=hub.journal_retention_hours),
        history_retention=timedelta(days=hub.history_retention_days),
        tombstone_retention=timedelta(days=hub.tombstone_retention_days),
        hook_urls={name: hook_url(hub.public_url, name, path_secret(root, name)) for name in config.connections}
        if hub.public_url
        else {},
    )
