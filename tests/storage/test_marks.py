"""What is due, in which turn; what people see of marks and move by hand."""

from storeweave.model.kinds import FlowName, Kind, LaneName
from storeweave.model.records import FlowKey, Priority
from storeweave.model.state import Failed, Mark, MarkState, Settlement
from tests.storage.samples import FLOW, LANE, NOW, Bench, key, later, names, notice


async def fail(bench: Bench, name: str | int, **more: object) -> None:
    """Settle one mark as failed."""
    (mark,) = await bench.store.marks(key=key(name))
    hold = await bench.store.take_lane(LANE, "me", 60)
    assert hold is not None
    fields = {"due_at": later(days=1), **more}
    failed = Failed(key=mark.key, want=mark.want, **fields)  # type: ignore[arg-type]
    assert await bench.store.settle(hold, Settlement(failed=[failed]))
    await bench.store.release_lane(hold)


async def park(bench: Bench, name: str | int, code: str = "tax", reason: str = "no such tax class") -> None:
    await fail(bench, name, state=MarkState.PARKED, reason=reason, reason_code=code, attempts=2)


async def one(bench: Bench, name: str | int) -> Mark:
    (mark,) = await bench.store.marks(key=key(name))
    return mark


async def test_what_is_referred_to_comes_first_then_the_urgent_then_the_old(bench: Bench) -> None:
    await bench.store.accept(
        [
            notice("late", due_at=later(seconds=-1)),
            notice("early", due_at=later(seconds=-9)),
            notice("cheap", priority=Priority.PRICE),
            notice("gone", priority=Priority.DELETE),
            notice("swept", priority=Priority.SWEEP, due_at=later(seconds=-60)),
            notice("brand", kind=Kind.BRAND, priority=Priority.SWEEP),
            notice("category", kind=Kind.CATEGORY, priority=Priority.IMAGE),
        ]
    )
    expected = ["category", "brand", "gone", "cheap", "early", "late", "swept"]
    assert names(await bench.store.due(LANE, NOW, 10)) == expected
    assert names(await bench.store.due(LANE, NOW, 3)) == expected[:3]


async def test_only_what_has_come_due_in_this_lane_is_due(bench: Bench) -> None:
    await bench.store.accept(
        [notice("now"), notice("soon", due_at=later(seconds=1)), notice("elsewhere", lane=LaneName("c"))]
    )
    assert names(await bench.store.due(LANE, NOW, 10)) == ["now"]
    assert names(await bench.store.due(LANE, later(seconds=1), 10)) == ["now", "soon"]
    assert await bench.store.due(LaneName("unknown"), NOW, 10) == []


async def test_looking_at_what_is_due_changes_nothing(bench: Bench) -> None:
    await bench.store.accept([notice(1)])
    before = await bench.store.marks()
    await bench.store.due(LANE, NOW, 10)
    assert await bench.store.marks() == before


async def test_a_parked_key_gets_its_second_chance_when_its_time_comes(bench: Bench) -> None:
    await bench.store.accept([notice(1)])
    await park(bench, 1)
    assert await bench.store.due(LANE, NOW, 10) == []
    assert await bench.store.next_due(LANE) == later(days=1)
    (mark,) = await bench.store.due(LANE, later(days=1), 10)
    assert (mark.state, mark.reason, mark.reason_code) == (MarkState.PARKED, "no such tax class", "tax")


async def test_the_next_due_time_is_that_of_the_lane(bench: Bench) -> None:
    assert await bench.store.next_due(LANE) is None
    await bench.store.accept([notice(1, due_at=later(seconds=9)), notice(2, due_at=later(seconds=4))])
    await bench.store.accept([notice(3, lane=LaneName("c"))])
    assert await bench.store.next_due(LANE) == later(seconds=4)


async def test_held_marks_are_never_due(bench: Bench) -> None:
    await bench.store.accept([notice(1)])
    brake = await bench.store.open_brake(FLOW, "delete", "many deletes", NOW)
    await fail(bench, 1, state=MarkState.HELD, brake=brake, due_at=NOW)
    assert await bench.store.due(LANE, later(days=9), 10) == []
    assert await bench.store.next_due(LANE) is None
    assert await bench.store.lanes_due(later(days=9)) == []


async def test_lanes_with_something_due_and_no_owner_want_one(bench: Bench) -> None:
    lanes = [LaneName(f"lane-{n}") for n in range(4)]
    await bench.store.accept([notice(n, lane=lane, due_at=later(seconds=n)) for n, lane in enumerate(lanes)])
    assert await bench.store.lanes_due(later(seconds=2)) == lanes[:3]

    await bench.store.take_lane(lanes[0], "me", 60)
    await bench.store.pause_lane(lanes[1], later(seconds=30), "rate limit")
    assert await bench.store.lanes_due(later(seconds=9)) == lanes[2:]
    assert await bench.store.lanes_due(later(seconds=30)) == lanes[1:]

    await bench.lapse(lanes[0])
    assert lanes[0] in await bench.store.lanes_due(later(seconds=9))


async def test_marks_are_listed_in_key_order_page_by_page(bench: Bench) -> None:
    await bench.store.accept([notice(n) for n in ("b", "a", "d", "c", "Z", "ä")])
    await bench.store.accept([notice("a", flow=FlowName("other")), notice("x", kind=Kind.BRAND)])
    seen: list[FlowKey] = []
    after = None
    while page := await bench.store.marks(limit=3, after=after):
        seen += [mark.key for mark in page]
        after = page[-1].key
    assert seen == sorted(seen)
    assert len(seen) == 8
    assert len(await bench.store.marks(flow=FlowName("other"))) == 1


async def test_marks_can_be_picked_by_state_and_cause(bench: Bench) -> None:
    await bench.store.accept([notice(n) for n in range(4)])
    await park(bench, 1, "tax")
    await park(bench, 2, "sku")
    assert names(await bench.store.marks(state=MarkState.PARKED)) == ["1", "2"]
    assert names(await bench.store.marks(reason_code="sku")) == ["2"]
    assert names(await bench.store.marks(flow=FlowName("none"))) == []


async def test_a_person_can_move_marks(bench: Bench) -> None:
    await bench.store.accept([notice(1), notice(2)])
    await park(bench, 1)
    moved = await bench.store.mark_state([key(1), key(9)], MarkState.DIRTY, due_at=NOW)
    assert moved == 1
    mark = await one(bench, 1)
    assert (mark.state, mark.due_at, mark.attempts) == (MarkState.DIRTY, NOW, 0)
    await bench.store.mark_state([key(2)], MarkState.PARKED, due_at=later(days=1), reason_code="by-hand")
    assert (await one(bench, 2)).reason_code == "by-hand"


async def test_parked_marks_can_be_retried_by_cause(bench: Bench) -> None:
    await bench.store.accept([notice(n) for n in range(5)])
    for name, code in ((1, "tax"), (2, "sku"), (3, "tax")):
        await park(bench, name, code)
    assert await bench.store.retry_parked(flow=FLOW, reason_code="tax", now=NOW) == 2
    assert names(await bench.store.marks(state=MarkState.PARKED)) == ["2"]
    assert await bench.store.retry_parked(flow=FlowName("other"), reason_code=None, now=NOW) == 0
    assert await bench.store.retry_parked(flow=None, reason_code=None, now=NOW) == 1
    assert len(await bench.store.due(LANE, NOW, 10)) == 5


async def test_the_backlog_counts_by_flow_and_kind(bench: Bench) -> None:
    await bench.store.accept([notice(n, at=later(seconds=n)) for n in range(1, 6)])
    await bench.store.accept([notice("c", kind=Kind.CATEGORY)])
    brake = await bench.store.open_brake(FLOW, "delete", "many", NOW)
    await park(bench, 1)
    await fail(bench, 2, attempts=1)
    await fail(bench, 3, state=MarkState.HELD, brake=brake)
    category, product = await bench.store.backlog(NOW)
    assert (category.kind, category.dirty, category.oldest_at) == (Kind.CATEGORY, 1, NOW)
    assert (product.dirty, product.backing_off, product.parked, product.held) == (2, 1, 1, 1)
    assert product.oldest_at == later(seconds=2)
    assert (await bench.store.backlog(later(days=2)))[1].backing_off == 0


async def test_parked_causes_are_grouped_with_an_example(bench: Bench) -> None:
    await bench.store.accept([notice(n) for n in range(5)])
    await park(bench, 2, "tax", "class 7")
    await park(bench, 1, "tax", "class 5")
    await park(bench, 3, "sku", "taken")
    sku, tax = await bench.store.parked_causes()
    assert (sku.reason_code, sku.count, sku.example, sku.reason) == ("sku", 1, key(3), "taken")
    assert (tax.reason_code, tax.count, tax.example, tax.reason) == ("tax", 2, key(1), "class 5")
