"""A feed is asked again for what it may have shown late, and what it repeats costs nothing (semantics 3.5)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from storeweave.connectors.memory.connector import Limits, MemoryConnector
from storeweave.connectors.memory.faults import Fault, FaultPlan, Sort
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.intake.polls import Poll
from storeweave.journal.journal import Journal
from storeweave.model.errors import TransientError
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind, LaneName
from storeweave.model.records import Cause, FlowKey, Record
from storeweave.model.state import Base, BaseUpdate, Done, Link, Settlement
from storeweave.storage.executor import Inline
from storeweave.storage.store import open_store
from tests.engine.stage import virtually
from tests.simulation.virtual import VirtualClock

A, FLOW = ConnectionName("a"), FlowName("a-b")


class Desk:
    """A shop with a feed, and somebody who polls it."""

    def __init__(self, *, lag_s: float = 0.0, overlap: bool = True, fed: frozenset[Kind] = frozenset(Kind)) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.shop = MemoryShop("a", clock=self.clock, rng=Random(1), read_lag_s=lag_s)
        self.store = open_store("sqlite://", executor=Inline(), clock=self.clock)
        self.faults = FaultPlan(Random(2))
        self.connector = MemoryConnector(
            self.shop, clock=self.clock, faults=self.faults, limits=Limits(page=3, fed=fed)
        )
        flow = FlowSpec(name=FLOW, source=A, destination=ConnectionName("b"), debounce_s=0.0)
        foreign = FlowSpec(name=FlowName("x"), source=ConnectionName("b"), destination=A)
        self.poll = Poll(
            A,
            self.connector,
            [flow, foreign],
            store=self.store,
            journal=Journal(self.store, [flow, foreign], self.clock, _silent),
            clock=self.clock,
            overlap=overlap,
        )

    def product(self, sku: str) -> Key:
        return self.shop.create_product(f"Thing {sku}", sku=sku, price=Decimal(1))

    async def marked(self) -> set[Key]:
        """Keys that are marked now; the marks are cleared."""
        marks = await self.store.marks(limit=1000)
        hold = await self.store.take_lane(LaneName("b"), "test", 5.0)
        assert hold is not None
        await self.store.settle(hold, Settlement(done=[Done(key=m.key, want=m.want) for m in marks]))
        await self.store.release_lane(hold)
        return {m.key.key for m in marks}


def _silent(_: LaneName, __: float) -> None:
    return None


@virtually
async def test_what_changed_since_the_last_poll_is_marked_page_by_page() -> None:
    desk = Desk()
    await desk.poll.once()
    keys = {desk.product(f"T-{n}") for n in range(8)}
    await desk.clock.sleep(1.0)
    assert await desk.poll.once() == 8
    assert {m.cause for m in await desk.store.marks()} == {Cause.POLL}
    assert await desk.marked() == keys


@pytest.mark.parametrize("overlap", [True, False])
@virtually
async def test_a_change_that_the_feed_shows_late_is_found_because_we_look_back(overlap: bool) -> None:
    desk = Desk(lag_s=20.0, overlap=overlap)
    await desk.poll.once()
    keys = {desk.product(f"T-{n}") for n in range(30)}
    found: set[Key] = set()
    for _ in range(10):
        await desk.clock.sleep(5.0)
        await desk.poll.once()
        found |= await desk.marked()
    assert (found == keys) is overlap


@virtually
async def test_a_broken_poll_moves_no_cursor() -> None:
    desk = Desk()
    await desk.poll.once()
    keys = {desk.product(f"T-{n}") for n in range(8)}
    await desk.clock.sleep(3600.0)
    desk.faults.script(Sort.READ, None, None, None, Fault.FAILED)  # the second page of products
    with pytest.raises(TransientError):
        await desk.poll.once()
    await desk.clock.sleep(3600.0)
    assert await desk.poll.once() == 8
    assert await desk.marked() == keys


@virtually
async def test_the_next_poll_goes_on_from_the_start_of_the_last_one() -> None:
    desk = Desk()
    first_at = desk.clock.now()
    await desk.poll.once()
    stored = await desk.store.get_value("feed:a:product")
    assert stored is not None
    assert datetime.fromisoformat(stored) == first_at
    await desk.clock.sleep(50.0)
    await desk.poll.once()
    stored = await desk.store.get_value("feed:a:product")
    assert datetime.fromisoformat(stored or "") == first_at + timedelta(seconds=50)


@virtually
async def test_what_was_agreed_already_is_not_marked_again() -> None:
    desk = Desk()
    await desk.poll.once()
    known, news = desk.product("T-1"), desk.product("T-2")
    await _agree(desk, known)
    assert await desk.poll.once() == 1
    assert await desk.marked() == {news}
    desk.shop.edit_product(known, price=Decimal(2))
    await desk.poll.once()
    assert known in await desk.marked()


async def _agree(desk: Desk, key: Key) -> None:
    record = desk.shop.look(Kind.PRODUCT, key)
    assert record is not None
    flow_key = FlowKey(FLOW, Kind.PRODUCT, key)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    link = Link(key=flow_key, destination_key=Key("9"), how="sku", sku="T-1", title="", linked_at=at)
    there = Record(kind=Kind.PRODUCT, key=Key("9"), fields={})
    base = Base(wanted=there, source_digest=record.digest)
    await desk.store.put_bases(Settlement(bases=[BaseUpdate(key=flow_key, base=base, link=link)]))


@virtually
async def test_kinds_without_a_feed_are_not_asked_for() -> None:
    desk = Desk(fed=frozenset({Kind.BRAND}))
    assert desk.poll.kinds() == [Kind.BRAND]
    await desk.poll.once()
    assert desk.shop.log.calls["changed product"] == 0


@virtually
async def test_a_first_poll_starts_now_unless_told_otherwise() -> None:
    desk = Desk()
    desk.product("T-1")
    await desk.clock.sleep(3600.0)
    assert await desk.poll.once() == 0
    other = Desk()
    other.product("T-1")
    await other.clock.sleep(3600.0)
    assert await other.poll.once(first_since=other.clock.now() - timedelta(hours=2)) == 1
