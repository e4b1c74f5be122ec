"""Notices are kept once, and make marks that merge (semantics 3.1, "Accept")."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storeweave.model.kinds import ConnectionName, Key, Kind, LaneName
from storeweave.model.records import Cause, Event, Priority
from storeweave.model.state import Acceptance, Done, Failed, MarkRequest, MarkState, Settlement
from storeweave.storage import Inline, open_store
from tests.storage.samples import LANE, NOW, SHOP, Bench, key, later, names, notice


async def test_each_notice_gets_a_number_of_its_own_in_order(bench: Bench) -> None:
    first = await bench.store.accept([notice(1), notice(2), notice(1)])
    second = await bench.store.accept([notice(3)])
    numbers = [number for number in [*first, *second] if number is not None]
    assert len(numbers) == 4
    assert numbers == sorted(set(numbers))


async def test_a_delivery_is_stored_once_within_a_call_and_across_calls(bench: Bench) -> None:
    first = await bench.store.accept([notice(1, delivery_id="x"), notice(1, delivery_id="x"), notice(1)])
    again = await bench.store.accept([notice(1, delivery_id="x"), notice(1, delivery_id="y")])
    assert [number is None for number in first] == [False, True, False]
    assert [number is None for number in again] == [True, False]
    assert len(await bench.store.journal_tail()) == 3


async def test_the_same_delivery_id_of_another_connection_is_another_delivery(bench: Bench) -> None:
    mine = notice(1, delivery_id="x")
    theirs = msgspec.structs.replace(
        mine, notice=msgspec.structs.replace(mine.notice, connection=ConnectionName("other"))
    )
    assert None not in await bench.store.accept([mine, theirs])


async def test_a_repeated_delivery_makes_no_mark(bench: Bench) -> None:
    (number,) = await bench.store.accept([notice(1, delivery_id="x")])
    hold = await bench.store.take_lane(LANE, "me", 60)
    assert hold is not None
    assert number is not None
    await bench.store.settle(hold, Settlement(done=[Done(key=key(1), want=number)]))
    await bench.store.accept([notice(1, delivery_id="x")])
    assert await bench.store.marks() == []


async def test_accepting_nothing_is_nothing(bench: Bench) -> None:
    assert list(await bench.store.accept([])) == []


async def test_one_notice_may_mark_many_keys_in_many_lanes(bench: Bench) -> None:
    keys = [key(1), key(2), key(3, Kind.BRAND)]
    item = Acceptance(
        notice=notice(1).notice,
        received_at=NOW,
        marks=[MarkRequest(key=k, lane=LaneName(f"lane-{k.key}"), due_at=NOW) for k in keys],
    )
    (number,) = await bench.store.accept([item])
    marks = await bench.store.marks()
    assert {m.key for m in marks} == set(keys)
    assert {m.want for m in marks} == {number}
    assert {m.lane for m in marks} == {"lane-1", "lane-2", "lane-3"}


async def test_marks_of_one_key_merge(bench: Bench) -> None:
    """Whether the notices come in one call or in several."""
    items = [
        notice(1, at=later(seconds=0), due_at=later(seconds=10), priority=Priority.SWEEP, verify=True, run=7),
        notice(1, at=later(seconds=1), due_at=later(seconds=5), priority=Priority.PRICE, cause=Cause.POLL),
        notice(1, at=later(seconds=2), due_at=later(seconds=9), event=Event.DELETED, happened_at=later(seconds=-3)),
    ]
    numbers = await bench.store.accept(items)
    together = (await bench.store.marks())[0]
    wants: list[int | None] = []
    for item in items:
        marks = [msgspec.structs.replace(item.marks[0], key=key(2))]
        wants += await bench.store.accept([msgspec.structs.replace(item, marks=marks)])
    (apart,) = await bench.store.marks(key=key(2))

    assert together.want == numbers[-1]
    assert apart.want == wants[-1]
    assert (together.due_at, together.priority, together.cause) == (later(seconds=5), Priority.PRICE, Cause.WEBHOOK)
    assert (together.verify, together.deleted, together.run) == (True, True, 7)
    assert together.happened_at is None  # one of them didn't say: the key may have changed later than that
    assert together.noticed_at == later(seconds=2)
    assert apart == msgspec.structs.replace(together, key=apart.key, want=apart.want)


async def test_the_first_notice_of_a_dirty_key_is_remembered(bench: Bench) -> None:
    await bench.store.accept([notice(1, at=NOW)])
    await bench.store.accept([notice(1, at=later(seconds=30))])
    (mark,) = await bench.store.marks()
    assert (mark.first_at, mark.noticed_at) == (NOW, later(seconds=30))


async def test_the_first_of_several_notices_in_one_call_is_remembered(bench: Bench) -> None:
    await bench.store.accept([notice(1, at=NOW), notice(1, at=later(seconds=30))])
    (mark,) = await bench.store.marks()
    assert (mark.first_at, mark.noticed_at) == (NOW, later(seconds=30))


async def test_what_is_marked_for_later_makes_a_notice_no_older_than_it_is(bench: Bench) -> None:
    """Work that began before a notice came stores its second look after it; the notice was read early all the same."""
    await bench.store.accept([notice(1, at=later(seconds=30))])
    await bench.store.accept([notice(1, at=NOW, cause=Cause.SECOND_LOOK)])
    (mark,) = await bench.store.marks()
    assert mark.noticed_at == later(seconds=30)


@pytest.mark.parametrize("look", [Cause.SECOND_LOOK, Cause.CONFIRM])
@pytest.mark.parametrize("other", [Cause.SWEEP, Cause.DRIFT])
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("look_first", [False, True])
async def test_a_sweep_that_meets_a_planned_look_has_it_planned_anew(
    bench: Bench, look: Cause, other: Cause, together: bool, look_first: bool
) -> None:
    """It makes the key due at once, which is too early for the look; and after a sweep nobody would look again."""
    items = [notice(1, cause=look, due_at=later(seconds=20)), notice(1, cause=other)]
    items = items if look_first else items[::-1]
    for some in [items] if together else [[item] for item in items]:
        await bench.store.accept(some)
    (mark,) = await bench.store.marks()
    assert (mark.cause, mark.due_at) == (Cause.RETRY, NOW)


async def test_of_two_planned_looks_the_later_one_serves_both(bench: Bench) -> None:
    await bench.store.accept([notice(1, cause=Cause.SECOND_LOOK, due_at=later(seconds=20))])
    await bench.store.accept([notice(1, cause=Cause.CONFIRM, due_at=later(seconds=9))])
    (mark,) = await bench.store.marks()
    assert (mark.cause, mark.due_at) == (Cause.SECOND_LOOK, later(seconds=20))


async def test_news_do_not_wait_for_a_planned_look(bench: Bench) -> None:
    await bench.store.accept([notice(1, cause=Cause.SECOND_LOOK, due_at=later(seconds=20))])
    await bench.store.accept([notice(1)])
    (mark,) = await bench.store.marks()
    assert (mark.cause, mark.due_at) == (Cause.WEBHOOK, NOW)


async def test_a_delete_stays_believable_until_the_key_was_looked_at(bench: Bench) -> None:
    await bench.store.accept([notice(1, event=Event.DELETED)])
    await bench.store.accept([notice(1)])
    assert (await bench.store.marks())[0].deleted


async def test_the_moment_of_a_change_is_the_latest_that_was_told(bench: Bench) -> None:
    await bench.store.accept([notice(1, happened_at=later(seconds=5))])
    await bench.store.accept([notice(1, happened_at=later(seconds=3))])
    assert (await bench.store.marks())[0].happened_at == later(seconds=5)


async def test_a_sweep_that_joins_a_webhook_leaves_it_a_webhook(bench: Bench) -> None:
    await bench.store.accept([notice(1, cause=Cause.WEBHOOK)])
    await bench.store.accept([notice(1, cause=Cause.SWEEP)])
    await bench.store.accept([notice(2, cause=Cause.SWEEP)])
    await bench.store.accept([notice(2, cause=Cause.WEBHOOK)])
    assert {mark.cause for mark in await bench.store.marks()} == {Cause.WEBHOOK}


async def test_a_notice_gives_a_parked_key_a_fresh_run(bench: Bench) -> None:
    (number,) = await bench.store.accept([notice(1)])
    hold = await bench.store.take_lane(LANE, "me", 60)
    assert hold is not None
    assert number is not None
    parked = Failed(
        key=key(1),
        want=number,
        due_at=later(days=1),
        state=MarkState.PARKED,
        attempts=3,
        reason="no such tax class",
        reason_code="tax",
        content=b"\x01\x02",
    )
    await bench.store.settle(hold, Settlement(failed=[parked]))
    assert names(await bench.store.due(LANE, NOW, 10)) == []

    await bench.store.accept([notice(1, at=later(hours=1))])

    (mark,) = await bench.store.due(LANE, later(hours=1), 10)
    assert (mark.state, mark.attempts, mark.due_at) == (MarkState.DIRTY, 0, later(hours=1))
    assert mark.first_at == later(hours=1)
    assert mark.content == b"\x01\x02"  # what was refused: the same content need not be sent again


async def test_the_newest_webhook_of_a_connection_is_known(bench: Bench) -> None:
    assert await bench.store.last_notice_at(SHOP) is None
    await bench.store.accept([notice(1, at=NOW), notice(2, at=later(seconds=1))])
    await bench.store.accept([notice(3, at=later(seconds=2), cause=Cause.POLL)])
    assert await bench.store.last_notice_at(SHOP) == later(seconds=1)
    assert await bench.store.last_notice_at(ConnectionName("other")) is None


async def test_the_journal_can_be_read_by_key_and_by_number(bench: Bench) -> None:
    numbers = await bench.store.accept(
        [notice(1, topic="store/product/updated", happened_at=later(seconds=-1)), notice(2), notice(1, delivery_id="z")]
    )
    tail = await bench.store.journal_tail(key=key(1))
    assert [row["number"] for row in tail] == [numbers[2], numbers[0]]
    assert tail[0]["delivery_id"] == "z"
    (row,) = await bench.store.journal_tail(number=numbers[0])
    assert (row["connection"], row["kind"], row["key"]) == (SHOP, "product", "1")
    assert (row["cause"], row["event"], row["topic"]) == ("webhook", "changed", "store/product/updated")
    assert (row["happened_at"], row["received_at"]) == (NOW - timedelta(seconds=1), NOW)
    assert len(await bench.store.journal_tail(limit=2)) == 2


async def test_strange_keys_and_topics_survive(bench: Bench) -> None:
    strange = Key('it\'s "50%" ½ 茶碗 [x] \\ :a %(b)s')
    await bench.store.accept([notice(strange, topic="to\0pic %s :x")])
    assert names(await bench.store.due(LANE, NOW, 1)) == [strange]
    (row,) = await bench.store.journal_tail()
    assert row["topic"] == "topic %s :x"


async def test_thousands_of_notices_are_one_call(bench: Bench) -> None:
    numbers = await bench.store.accept([notice(n % 1500, delivery_id=f"d{n}") for n in range(3000)])
    assert len(set(numbers)) == 3000
    assert len(await bench.store.due(LANE, NOW, 5000)) == 1500


told = st.fixed_dictionaries(
    {
        "at": st.integers(0, 5).map(lambda s: later(seconds=s)),
        "due_at": st.integers(0, 9).map(lambda s: later(seconds=s)),
        "cause": st.sampled_from(Cause),
        "event": st.sampled_from(Event),
        "priority": st.sampled_from(Priority),
        "verify": st.booleans(),
        "happened_at": st.none() | st.integers(-5, 5).map(lambda s: later(seconds=s)),
        "run": st.none() | st.integers(1, 3),
    }
)


@settings(max_examples=200, deadline=None)
@given(said=st.lists(told, min_size=2, max_size=5))
def test_notices_merge_in_one_call_as_they_do_one_by_one(said: list[dict[str, Any]]) -> None:
    asyncio.run(compare_ways(said))


async def compare_ways(said: list[dict[str, Any]]) -> None:
    store = open_store("sqlite://", executor=Inline())
    for one in said:
        await store.accept([notice("apart", **one)])
    await store.accept([notice("together", **one) for one in said])
    apart, together = [msgspec.structs.replace(mark, key=key(1), want=1) for mark in await store.marks()]
    await store.close()
    assert apart == together
