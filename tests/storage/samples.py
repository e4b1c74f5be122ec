"""Small values for the storage tests, and the three databases that all of them run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind, LaneName
from storeweave.model.records import Cause, FieldChange, FlowKey, Notice, Record
from storeweave.model.state import Acceptance, Base, BaseUpdate, HistoryRow, Link, Mark, MarkRequest
from storeweave.storage import SqlStore
from tests.virtual_clock import START, VirtualClock

FLOW, LANE, SHOP = FlowName("a-to-b"), LaneName("b"), ConnectionName("a")
NOW = START


@dataclass
class Bench:
    """One open store, its clock, and a way to let a lease run out."""

    store: SqlStore
    clock: VirtualClock
    url: str

    async def lapse(self, lane: LaneName = LANE) -> None:
        """Let the lease on a lane run out; PostgreSQL goes by its own clock, so there the lease is moved."""
        if self.url.startswith("sqlite"):
            self.clock.push(3600)
            return
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            await connection.execute("update storeweave.lane set lease_until = 1 where lane = %s", [lane])


def key(name: str | int, kind: Kind = Kind.PRODUCT, flow: FlowName = FLOW) -> FlowKey:
    return FlowKey(flow, kind, Key(str(name)))


def notice(
    name: str | int,
    *,
    kind: Kind = Kind.PRODUCT,
    flow: FlowName = FLOW,
    lane: LaneName = LANE,
    at: datetime = NOW,
    due_at: datetime | None = None,
    **more: Any,
) -> Acceptance:
    """One notice that marks one key."""
    said = Notice(connection=SHOP, kind=kind, key=Key(str(name)), cause=more.pop("cause", Cause.WEBHOOK), **more)
    marks = [MarkRequest(key=key(name, kind, flow), lane=lane, due_at=due_at or at)]
    return Acceptance(notice=said, received_at=at, marks=marks)


def later(**delta: float) -> datetime:
    return NOW + timedelta(**delta)


def names(marks: Sequence[Mark]) -> list[str]:
    return [str(mark.key.key) for mark in marks]


def link(name: str | int, there: str | None = None, **more: Any) -> Link:
    fields: dict[str, Any] = {"how": "sku", "sku": f"SKU-{name}", "title": f"Thing {name}", "linked_at": NOW, **more}
    kind = fields.pop("kind", Kind.PRODUCT)
    return Link(key=key(name, kind), destination_key=Key(there or f"d{name}"), **fields)


def record(there: str, **fields: Any) -> Record:
    return Record(kind=Kind.PRODUCT, key=Key(there), fields={"name": "Mug", **fields}, title="Mug")


def base_update(name: str | int, there: str | None = None, **more: Any) -> BaseUpdate:
    row = link(name, there, **more)
    base = Base(
        wanted=record(row.destination_key),
        source_digest=f"source {name}".encode(),
        destination_digest=f"there {name}".encode(),
        written_at=NOW,
    )
    return BaseUpdate(key=row.key, base=base, link=row)


def line(name: str | int, **more: Any) -> HistoryRow:
    fields: dict[str, Any] = {
        "destination_key": Key(f"d{name}"),
        "op": "update",
        "lines": (FieldChange("name", "Cup", "Mug"),),
        "cause": Cause.WEBHOOK,
        "notice": 1,
        "run": None,
        "calls": ("PUT /products",),
        "at": NOW,
        **more,
    }
    return HistoryRow(key=key(name), **fields)
