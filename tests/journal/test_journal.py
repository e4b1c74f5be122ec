"""Notices become marks: durable before the bell rings, due when the flow says, once however often they are told."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from storeweave.journal.journal import Journal
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind, LaneName
from storeweave.model.records import Cause, Notice
from storeweave.storage.executor import Inline
from storeweave.storage.store import open_store
from tests.engine.stage import virtually
from tests.simulation.virtual import VirtualClock

A, B, C = ConnectionName("a"), ConnectionName("b"), ConnectionName("c")


def flow(name: str, source: ConnectionName, destination: ConnectionName, **rules: object) -> FlowSpec:
    return FlowSpec(name=FlowName(name), source=source, destination=destination, **rules)  # type: ignore[arg-type]


def notice(key: str, *, kind: Kind = Kind.PRODUCT, cause: Cause = Cause.WEBHOOK, id_: str | None = None) -> Notice:
    return Notice(connection=A, kind=kind, key=Key(key), cause=cause, delivery_id=id_)


class Desk:
    """A journal, and what it rang."""

    def __init__(self, *flows: FlowSpec) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.store = open_store("sqlite://", executor=Inline(), clock=self.clock)
        self.rung: list[tuple[LaneName, float]] = []
        self.journal = Journal(self.store, flows, self.clock, self._ring)

    def _ring(self, lane: LaneName, wait_s: float) -> None:
        self.rung.append((lane, wait_s))


@virtually
async def test_a_notice_marks_its_key_in_every_flow_that_reads_from_there() -> None:
    desk = Desk(flow("a-b", A, B), flow("a-c", A, C), flow("b-c", B, C), flow("brands", A, B, kinds=(Kind.BRAND,)))
    assert await desk.journal.accept([notice("1")]) == 1
    assert {(m.key.flow, m.lane) for m in await desk.store.marks()} == {("a-b", "b"), ("a-c", "c")}
    assert {lane for lane, _ in desk.rung} == {"b", "c"}


@virtually
async def test_a_repeated_delivery_is_accepted_and_counted_once() -> None:
    desk = Desk(flow("a-b", A, B))
    assert await desk.journal.accept([notice("1", id_="d-1"), notice("2", id_="d-2")]) == 2
    assert await desk.journal.accept([notice("1", id_="d-1")]) == 0


@virtually
async def test_many_notices_for_one_key_are_one_mark() -> None:
    desk = Desk(flow("a-b", A, B))
    for n in range(50):
        await desk.journal.accept([notice("1", id_=f"d-{n}")])
    (mark,) = await desk.store.marks()
    assert mark.want == 50


@virtually
async def test_news_wait_for_the_flows_debounce_and_a_persons_wish_does_not() -> None:
    desk = Desk(flow("a-b", A, B, debounce_s=2.0))
    now = desk.clock.now()
    await desk.journal.accept([notice("1")])
    await desk.journal.accept([notice("2", cause=Cause.MANUAL)])
    due = {m.key.key: m.due_at - now for m in await desk.store.marks()}
    assert due == {"1": timedelta(seconds=2), "2": timedelta(0)}
    assert desk.rung == [("b", 2.0), ("b", 0.0)]


@virtually
async def test_a_burst_keeps_the_time_of_its_first_notice() -> None:
    """Otherwise a key that changes all the time would never have its turn."""
    desk = Desk(flow("a-b", A, B, debounce_s=2.0))
    started = desk.clock.now()
    for _ in range(5):
        await desk.journal.accept([notice("1")])
        await desk.clock.sleep(1.0)
    (mark,) = await desk.store.marks()
    assert mark.due_at == started + timedelta(seconds=2)


@virtually
async def test_one_flow_can_be_meant_alone() -> None:
    one, other = flow("a-b", A, B), flow("a-c", A, C)
    desk = Desk(one, other)
    assert await desk.journal.accept_for(one, [notice("1"), notice("2")]) == 2
    assert {m.key.flow for m in await desk.store.marks()} == {"a-b"}
    assert desk.rung == [("b", 0.0)]


@virtually
async def test_nothing_is_rung_for_nothing() -> None:
    one = flow("a-b", A, B)
    desk = Desk(one)
    assert await desk.journal.accept([]) == 0
    assert await desk.journal.accept_for(one, []) == 0
    assert desk.rung == []
