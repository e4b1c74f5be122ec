"""The memory connector keeps the contract of every connector."""

from __future__ import annotations

import random

from storeweave.connectors.memory.connector import Limits, MemoryConnector
from storeweave.connectors.memory.hooks import sign
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.connectors.memory.state import Rules
from storeweave.model.kinds import ConnectionName, Key, Kind
from storeweave.model.records import Cause, Notice
from storeweave.ports.connector import HookRequest
from tests.contract.stage import Stage
from tests.contract.suite import ConnectorContract, HookedConnectorContract
from tests.virtual_clock import VirtualClock


def memory_stage(
    account: str,
    *,
    rules: Rules | None = None,
    limits: Limits | None = None,
    read_lag_s: float = 0.0,
    make: type[MemoryConnector] = MemoryConnector,
) -> Stage:
    """An empty memory shop and its connector, of the class ``make``."""
    clock = VirtualClock()
    shop = MemoryShop(account, clock=clock, rng=random.Random(1), rules=rules, read_lag_s=read_lag_s)
    connector = make(shop, clock=clock, limits=limits or Limits(page=4, read_batch=60))

    def signed(body: bytes | None) -> HookRequest:
        notice = Notice(
            connection=ConnectionName(account),
            kind=Kind.PRODUCT,
            key=Key("77"),
            cause=Cause.WEBHOOK,
            delivery_id="d1",
            topic="product/updated",
        )
        request = shop.hooks.request(notice)
        if body is None:
            return request
        headers = dict(request.headers)
        headers["memory-signature"] = sign(shop.hooks.secret, "d1", headers["memory-timestamp"], body)
        return HookRequest(headers=headers, body=body)

    async def settle() -> None:
        clock.push(read_lag_s)

    return Stage(
        connector=connector,
        now=clock.now,
        remote_writes=lambda: shop.log.count_calls("write"),
        settle=settle,
        signed=signed,
    )


class TestMemory(HookedConnectorContract):
    async def open(self, account: str = "one") -> Stage:
        return memory_stage(account)


class TestMemoryWithAllItsQuirks(ConnectorContract):
    """Listings without options, a channel, late reads, tiny calls."""

    async def open(self, account: str = "one") -> Stage:
        rules = Rules(scan_omits=frozenset({"options", "option_values"}), lists_channel=True)
        limits = Limits(page=2, read_batch=60, fields_per_call=2, answers_records=False, tells_total=False)
        return memory_stage(account, rules=rules, limits=limits, read_lag_s=5.0)
