"""Stores and sources that break one promise each, put between a process and the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from storeweave.model.kinds import Key, Kind, LaneName
from storeweave.model.records import FlowKey, Record
from storeweave.model.state import Acceptance, LaneHold, Settlement
from storeweave.ports.connector import Connector
from storeweave.ports.permit import Permit
from storeweave.ports.store import Store
from tests.simulation.virtual import at_once
from tests.simulation.world import Life

CACHED_S = 2.0
ACKNOWLEDGED_EARLY_S = 0.5


class _Broken:
    """All as it should be, but for what a subclass does."""

    def __init__(self, store: Store, life: Life) -> None:
        self.store, self.life = store, life

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    @classmethod
    def of(cls, store: Store, life: Life) -> Store:
        """For ``World.store_mutant``."""
        return cast("Store", cls(store, life))


class DoneIsWant(_Broken):
    """What is done is what is wanted now, not what was wanted when the work began."""

    async def settle(self, hold: LaneHold, settlement: Settlement) -> bool:
        done = [msgspec.structs.replace(d, want=await self._want(d.key, d.want)) for d in settlement.done]
        return await self.store.settle(hold, msgspec.structs.replace(settlement, done=done))

    async def _want(self, key: FlowKey, claimed: int) -> int:
        marks = await self.store.marks(key=key)
        return marks[0].want if marks else claimed


class FailureOverrules(DoneIsWant):
    """A failure is noted although a newer notice has come meanwhile."""

    async def settle(self, hold: LaneHold, settlement: Settlement) -> bool:
        failed = [msgspec.structs.replace(f, want=await self._want(f.key, f.want)) for f in settlement.failed]
        return await self.store.settle(hold, msgspec.structs.replace(settlement, failed=failed))


class TakesLivingLanes(_Broken):
    """A lane is taken although its owner lives."""

    async def take_lane(
        self, lane: LaneName, holder: str, lease_s: float, *, exclusive: bool = False
    ) -> LaneHold | None:
        del exclusive
        return await self.store.take_lane(lane, holder, lease_s, exclusive=True)


class AcknowledgesEarly(_Broken):
    """Yes is said before the notice is durable."""

    async def accept(self, items: Sequence[Acceptance]) -> Sequence[int | None]:
        self.life.loop.call_later(ACKNOWLEDGED_EARLY_S, self._keep, list(items))
        return [1] * len(items)

    def _keep(self, items: Sequence[Acceptance]) -> None:
        if not self.life.dead:
            at_once(self.store.accept(items))


class ForgetsCreates(_Broken):
    """What was about to be created is not kept before the call."""

    async def open_intents(self, items: object, at: object) -> None:
        del items, at


class Deduplicates:
    """Delivery ids are remembered outside the database, before the notice itself is durable."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def of(self, store: Store, life: Life) -> Store:
        """For ``World.store_mutant``."""
        return cast("Store", _Deduplicating(store, life, self._known))


class _Deduplicating(_Broken):
    def __init__(self, store: Store, life: Life, known: set[str]) -> None:
        super().__init__(store, life)
        self._known = known

    async def accept(self, items: Sequence[Acceptance]) -> Sequence[int | None]:
        fresh = [i for i in items if i.notice.delivery_id not in self._known]
        self._known.update(i.notice.delivery_id for i in items if i.notice.delivery_id)
        return await self.store.accept(fresh) if fresh else []


class ReadsEarly:
    """A source whose answers are kept for a while: a read may be older than the claim it is for."""

    def __init__(self, connector: Connector, life: Life) -> None:
        self._connector, self._life = connector, life
        self._kept: dict[tuple[Kind, Key], tuple[float, Record | None]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    @classmethod
    def of(cls, connector: Connector, life: Life) -> Connector:
        """For ``World.source_mutant``."""
        return cast("Connector", cls(connector, life))

    async def read(self, kind: Kind, keys: Sequence[Key], permit: Permit) -> Mapping[Key, Record | None]:
        now = self._life.loop.time()
        asked = [k for k in keys if (kind, k) not in self._kept or now - self._kept[kind, k][0] > CACHED_S]
        for key, record in (await self._connector.read(kind, asked, permit)).items() if asked else ():
            self._kept[kind, key] = (now, record)
        return {k: self._kept[kind, k][1] for k in keys}
