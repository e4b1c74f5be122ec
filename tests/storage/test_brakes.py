"""A brake holds what a guard stopped until a person confirms exactly that (semantics 3.6 and 3.7)."""

import pytest

from storeweave.model.errors import RefusedError
from storeweave.model.state import BrakeRow, Failed, MarkState, Settlement
from tests.storage.samples import FLOW, LANE, NOW, Bench, key, later, names, notice


async def hold_keys(bench: Bench, *items: str, guard: str = "delete") -> int:
    """Mark keys and have them held."""
    await bench.store.accept([notice(name) for name in items])
    brake = await bench.store.open_brake(FLOW, guard, f"too many: {guard}", NOW)
    lane = await bench.store.take_lane(LANE, "me", 60)
    assert lane is not None
    due = {mark.key: mark for mark in await bench.store.due(LANE, NOW, 1000)}
    failed = [
        Failed(key=key(n), want=due[key(n)].want, due_at=NOW, state=MarkState.HELD, brake=brake, attempts=1)
        for n in items
    ]
    assert await bench.store.settle(lane, Settlement(failed=failed))
    return brake


async def only(bench: Bench) -> BrakeRow:
    (brake,) = await bench.store.brakes()
    return brake


async def test_a_guard_has_one_open_brake(bench: Bench) -> None:
    first = await bench.store.open_brake(FLOW, "delete", "one", NOW)
    assert await bench.store.open_brake(FLOW, "delete", "two", later(hours=1)) == first
    assert await bench.store.open_brake(FLOW, "price", "one", NOW) != first
    assert [(b.guard, b.message, b.opened_at) for b in await bench.store.brakes()] == [
        ("delete", "one", NOW),
        ("price", "one", NOW),
    ]


async def test_a_brake_shows_what_it_holds(bench: Bench) -> None:
    brake = await hold_keys(bench, *[f"{n:02}" for n in range(25)])
    await hold_keys(bench, "x", guard="price")
    shown = next(row for row in await bench.store.brakes() if row.id == brake)
    assert shown.held == 25
    assert len(shown.sample) == 10
    assert shown.sample[0] == "product 00"


async def test_a_release_lets_exactly_these_keys_pass(bench: Bench) -> None:
    brake = await hold_keys(bench, "1", "2", "3")
    shown = await only(bench)
    released = await bench.store.release_brake(brake, count=shown.held, list_hash=shown.list_hash, now=later(seconds=5))
    assert released == 3
    due = await bench.store.due(LANE, later(seconds=5), 10)
    assert names(due) == ["1", "2", "3"]
    assert {(m.state, m.allowed_brake, m.brake, m.attempts) for m in due} == {(MarkState.DIRTY, brake, None, 0)}
    assert await bench.store.brakes() == []
    assert await bench.store.open_brake(FLOW, "delete", "again", NOW) != brake


async def test_permission_to_pass_survives_a_newer_notice_but_not_the_work(bench: Bench) -> None:
    brake = await hold_keys(bench, "1")
    shown = await only(bench)
    await bench.store.release_brake(brake, count=1, list_hash=shown.list_hash, now=NOW)
    await bench.store.accept([notice(1)])
    (mark,) = await bench.store.due(LANE, NOW, 10)
    assert mark.allowed_brake == brake


async def test_a_list_that_changed_since_it_was_shown_is_not_released(bench: Bench) -> None:
    brake = await hold_keys(bench, "1", "2")
    shown = await only(bench)
    await bench.store.accept([notice(2)])  # the key is dirty again, and another one is held in its place
    await hold_keys(bench, "3")
    with pytest.raises(RefusedError) as refused:
        await bench.store.release_brake(brake, count=shown.held, list_hash=shown.list_hash, now=NOW)
    assert refused.value.code == "list-changed"
    assert names(await bench.store.marks(state=MarkState.HELD)) == ["1", "3"]
    with pytest.raises(RefusedError):
        await bench.store.release_brake(brake, count=3, list_hash=shown.list_hash, now=NOW)


async def test_the_hash_of_a_list_does_not_depend_on_when_keys_came(bench: Bench) -> None:
    await hold_keys(bench, "2", "1")
    first = (await only(bench)).list_hash
    await bench.store.accept([notice(1), notice(2)])
    assert (await only(bench)).list_hash != first
    await hold_keys(bench, "1", "2")
    assert (await only(bench)).list_hash == first


async def test_a_newer_notice_frees_a_held_key_to_be_looked_at_again(bench: Bench) -> None:
    await hold_keys(bench, "1", "2")
    await bench.store.accept([notice(1)])
    (mark,) = await bench.store.due(LANE, NOW, 10)
    assert (mark.key, mark.state, mark.brake, mark.allowed_brake) == (key(1), MarkState.DIRTY, None, None)
    assert (await only(bench)).held == 1


async def test_giving_up_what_is_held_removes_its_marks_alone(bench: Bench) -> None:
    brake = await hold_keys(bench, "1", "2")
    other = await hold_keys(bench, "3", guard="price")
    assert await bench.store.drop_brake(brake) == 2
    assert names(await bench.store.marks()) == ["3"]
    assert [row.id for row in await bench.store.brakes()] == [other]


async def test_a_brake_that_is_not_open_cannot_be_released_or_dropped(bench: Bench) -> None:
    brake = await hold_keys(bench, "1")
    await bench.store.drop_brake(brake)
    with pytest.raises(RefusedError, match="no open brake"):
        await bench.store.release_brake(brake, count=0, list_hash="", now=NOW)
    with pytest.raises(RefusedError, match="no open brake"):
        await bench.store.drop_brake(brake)
