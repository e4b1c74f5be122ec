"""A batch is stored whole or not at all, and only over what was claimed (semantics 3.1, engine.md 2.5)."""

import pytest

from storeweave.model.errors import RefusedError
from storeweave.model.records import Cause
from storeweave.model.state import Done, Failed, LaneHold, Mark, MarkState, Settlement
from tests.storage.samples import FLOW, LANE, NOW, Bench, base_update, key, later, line, names, notice


async def take(bench: Bench, holder: str = "me") -> LaneHold:
    hold = await bench.store.take_lane(LANE, holder, 60)
    assert hold is not None
    return hold


async def claim(bench: Bench, *items: str) -> list[Mark]:
    await bench.store.accept([notice(name) for name in items])
    return list(await bench.store.due(LANE, NOW, 100))


def done(*marks: Mark) -> list[Done]:
    return [Done(key=mark.key, want=mark.want) for mark in marks]


async def test_a_mark_that_was_worked_off_is_gone(bench: Bench) -> None:
    hold = await take(bench)
    one, two = await claim(bench, "1", "2")
    assert await bench.store.settle(hold, Settlement(done=done(one)))
    assert names(await bench.store.marks()) == [two.key.key]


async def test_a_notice_that_came_during_the_work_keeps_the_key_dirty(bench: Bench) -> None:
    hold = await take(bench)
    (mark,) = await claim(bench, "1")
    (number,) = await bench.store.accept([notice(1)])
    assert await bench.store.settle(hold, Settlement(done=done(mark)))
    (still,) = await bench.store.due(LANE, NOW, 10)
    assert still.want == number


async def test_a_failure_moves_the_mark_and_tells_why(bench: Bench) -> None:
    hold = await take(bench)
    (mark,) = await claim(bench, "1")
    failed = Failed(
        key=mark.key,
        want=mark.want,
        due_at=later(seconds=8),
        attempts=3,
        reason="503 from the shop\0",
        reason_code="transient",
        content=b"\x00\xff",
        verify=True,
    )
    assert await bench.store.settle(hold, Settlement(failed=[failed]))
    (after,) = await bench.store.marks()
    assert (after.state, after.due_at, after.attempts) == (MarkState.DIRTY, later(seconds=8), 3)
    assert (after.reason, after.reason_code, after.content) == ("503 from the shop", "transient", b"\x00\xff")
    assert (after.verify, after.want, after.first_at) == (True, mark.want, mark.first_at)


async def test_a_failure_leaves_a_newer_notice_alone_but_for_the_doubt(bench: Bench) -> None:
    hold = await take(bench)
    one, two = await claim(bench, "1", "2")
    await bench.store.accept([notice(1), notice(2)])
    failed = [
        Failed(key=mark.key, want=mark.want, due_at=later(days=1), attempts=5, verify=mark is one)
        for mark in (one, two)
    ]
    assert await bench.store.settle(hold, Settlement(failed=failed))
    after = await bench.store.due(LANE, NOW, 10)
    assert [(mark.attempts, mark.due_at) for mark in after] == [(0, NOW), (0, NOW)]
    assert [mark.verify for mark in after] == [True, False]  # a write of ours may still land at the first


async def test_further_marks_come_after_what_is_done(bench: Bench) -> None:
    """A second look at the same key is a mark of its own, due later."""
    hold = await take(bench)
    (mark,) = await claim(bench, "1")
    again = notice(1, cause=Cause.SECOND_LOOK, due_at=later(seconds=20))
    assert await bench.store.settle(hold, Settlement(done=done(mark), again=[again]))
    (second,) = await bench.store.marks()
    assert (second.cause, second.due_at) == (Cause.SECOND_LOOK, later(seconds=20))
    assert second.want > mark.want


async def test_everything_of_a_batch_is_stored_together(bench: Bench) -> None:
    hold = await take(bench)
    (mark,) = await claim(bench, "1")
    await bench.store.open_intents({key(1): ("sku:SKU-1",)}, NOW)
    settlement = Settlement(
        bases=[base_update(1)],
        tombstones=[(key(7), None)],
        history=[line(1, op="create")],
        intents_done=[key(1)],
        done=done(mark),
        worked=[key(1)],
    )
    assert await bench.store.settle(hold, settlement)
    assert set(await bench.store.bases(FLOW, mark.key.kind, [mark.key.key])) == {"1"}
    assert [row.op for row in await bench.store.history()] == ["create"]
    assert await bench.store.intents([key(1)]) == {}
    assert list(await bench.store.is_tombstone([key(7), key(8)])) == [key(7)]
    assert await bench.store.marks() == []


async def test_a_batch_that_cannot_be_stored_stores_nothing(bench: Bench) -> None:
    hold = await take(bench)
    (mark,) = await claim(bench, "1")
    await bench.store.put_bases(Settlement(bases=[base_update(5, "d1")]))
    settlement = Settlement(bases=[base_update(1, "d1")], history=[line(1)], done=done(mark))
    with pytest.raises(RefusedError, match="product 1 cannot be linked to d1, which is linked to 5") as refused:
        await bench.store.settle(hold, settlement)
    assert refused.value.code == "linked-twice"
    assert await bench.store.history() == []
    assert names(await bench.store.marks()) == ["1"]


async def test_who_lost_the_lane_stores_nothing_and_marks_the_batch_again(bench: Bench) -> None:
    stale = await take(bench)
    one, _, _ = await claim(bench, "1", "2", "3")
    await bench.lapse()
    owner = await take(bench, "you")
    assert await bench.store.settle(owner, Settlement(done=done(one)))

    settlement = Settlement(
        bases=[base_update(1)],
        history=[line(1)],
        done=done(*await bench.store.due(LANE, NOW, 10)),
        worked=[key(1), key(2)],
    )
    assert not await bench.store.settle(stale, settlement)

    after = {str(mark.key.key): mark for mark in await bench.store.marks()}
    assert set(after) == {"1", "2", "3"}
    assert [name for name, mark in after.items() if mark.verify] == ["1", "2"]
    assert after["1"].cause is Cause.RETRY
    assert after["1"].want > one.want
    assert await bench.store.history() == []
    assert await bench.store.bases(FLOW, one.key.kind, [one.key.key]) == {}
    assert await bench.store.renew_lane(owner)


async def test_what_the_new_owner_has_claimed_is_not_cleared_after_the_old_one_marked_it_again(bench: Bench) -> None:
    stale = await take(bench)
    await claim(bench, "1")
    await bench.lapse()
    owner = await take(bench, "you")
    (claimed,) = await bench.store.due(LANE, NOW, 10)
    assert not await bench.store.settle(stale, Settlement(worked=[key(1)]))
    assert await bench.store.settle(owner, Settlement(done=done(claimed)))
    assert names(await bench.store.marks()) == ["1"]


async def test_a_key_settled_twice_in_one_batch_takes_the_last_word(bench: Bench) -> None:
    hold = await take(bench)
    (mark,) = await claim(bench, "1")
    twice = [
        Failed(key=mark.key, want=mark.want, due_at=later(seconds=n), reason=f"reason {n}", verify=n == 1)
        for n in (1, 2)
    ]
    assert await bench.store.settle(hold, Settlement(failed=twice, bases=[base_update(1), base_update(1)]))
    (after,) = await bench.store.marks()
    assert (after.reason, after.verify) == ("reason 2", True)


async def test_an_empty_settlement_says_whether_the_lane_is_still_ours(bench: Bench) -> None:
    hold = await take(bench)
    assert await bench.store.settle(hold, Settlement())
    await bench.lapse()
    await take(bench, "you")
    assert not await bench.store.settle(hold, Settlement())
