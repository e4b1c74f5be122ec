"""The connector with which workers speak to the shops' process, and with which the test process reads them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from storeweave.connectors.memory.connector import MemoryConnector
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.model.errors import StoreweaveError, TransientError, UnknownOutcomeError
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind
from storeweave.model.records import Change, Outcome, Record
from storeweave.ports.clock import SystemClock
from storeweave.ports.connector import Abilities, Account, Connector, Page
from storeweave.ports.permit import Permit
from tests.scaleout.shops import LIMITS, SOURCE, destination
from tests.scaleout.wire import WireClosedError, ask

REQUEST_TIMEOUT_S = 1.5
LATE_LANDING_S = 1.0


def declared() -> Abilities:
    """What a memory shop can do, with times short enough for a test."""
    abilities = MemoryConnector(MemoryShop(clock=SystemClock()), clock=SystemClock(), limits=LIMITS).abilities
    return msgspec.structs.replace(
        abilities, request_timeout_s=REQUEST_TIMEOUT_S, late_landing_s=LATE_LANDING_S, read_lag_s=0.0
    )


class RemoteShop:
    """A Connector. ``owner`` signs its writes in the shops' diary."""

    def __init__(self, port: int, shop: str, owner: str) -> None:
        self._port = port
        self._shop = shop
        self._owner = owner
        self._abilities = declared()

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def check(self, permit: Permit) -> Account:
        del permit
        return await self._call("check")  # type: ignore[no-any-return]

    async def scan(self, kind: Kind, cursor: str | None, permit: Permit) -> Page:
        del permit
        return await self._call("scan", kind, cursor)  # type: ignore[no-any-return]

    async def changed(self, kind: Kind, since: datetime, cursor: str | None, permit: Permit) -> Page:
        del permit
        return await self._call("changed", kind, since, cursor)  # type: ignore[no-any-return]

    async def read(self, kind: Kind, keys: Sequence[Key], permit: Permit) -> Mapping[Key, Record | None]:
        del permit
        return await self._call("read", kind, keys)  # type: ignore[no-any-return]

    async def find(self, kind: Kind, matches: Sequence[str], permit: Permit) -> Mapping[str, Sequence[Record]]:
        del permit
        return await self._call("find", kind, matches)  # type: ignore[no-any-return]

    async def content_hash(self, url: str, permit: Permit) -> str:
        del permit
        return await self._call("content_hash", url)  # type: ignore[no-any-return]

    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        permit.check()
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                outcomes, stunned_s = await ask(
                    self._port, "write", shop=self._shop, owner=self._owner, kind=kind, changes=changes
                )
        except (TimeoutError, WireClosedError) as error:
            unknown: StoreweaveError = UnknownOutcomeError(f"{self._shop} gave no answer: {error!r}")
            return {change.ref: Outcome(error=unknown) for change in changes}
        # A handler that hangs without giving way: the whole process stands still, its lease runs out.
        time.sleep(stunned_s)  # noqa: ASYNC251
        return outcomes  # type: ignore[no-any-return]

    async def _call(self, verb: str, *args: object) -> Any:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                return await ask(self._port, "call", shop=self._shop, owner=self._owner, verb=verb, args=args)
        except (TimeoutError, WireClosedError) as error:
            raise TransientError(f"{self._shop} gave no answer: {error!r}") from error


def connectors(port: int, destinations: int, owner: str) -> dict[ConnectionName, Connector]:
    names = [SOURCE, *(destination(n) for n in range(destinations))]
    return {ConnectionName(name): RemoteShop(port, name, owner) for name in names}


def flows(destinations: int) -> list[FlowSpec]:
    """Everything from the source to each destination: one lane each."""
    return [
        FlowSpec(
            name=FlowName(f"to-{destination(n)}"),
            source=ConnectionName(SOURCE),
            destination=ConnectionName(destination(n)),
            kinds=(Kind.PRODUCT,),
        )
        for n in range(destinations)
    ]
