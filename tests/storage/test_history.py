"""Applied changes are found by item, run and time; conflicts and the counts of guards are kept."""

from decimal import Decimal

from storeweave.model.kinds import FlowName
from storeweave.model.records import FieldChange
from storeweave.model.state import ConflictRow, Settlement
from tests.storage.samples import FLOW, NOW, Bench, key, later, line


async def test_a_line_of_history_comes_back_with_its_types(bench: Bench) -> None:
    lines = (
        FieldChange("price", Decimal("9.5"), Decimal(12)),
        FieldChange("categories", frozenset({"1"}), frozenset({"1", "2"})),
        FieldChange("variants/12/price", None, Decimal("3.25"), had=False),
        FieldChange("variants/12", None, None, had=True, has=False),
        FieldChange("custom_fields", frozenset(), frozenset({("a", "b")})),
    )
    row = line(1, lines=lines, lag_ms=120, run=3, calls=("PUT /v3/products", "GET /v3/products?id:in=1"))
    await bench.store.put_bases(Settlement(history=[row]))
    (stored,) = await bench.store.history()
    assert stored.id is not None
    assert {name: getattr(stored, name) for name in stored.__struct_fields__ if name != "id"} == {
        name: getattr(row, name) for name in row.__struct_fields__ if name != "id"
    }


async def test_history_is_asked_by_item_run_time_and_kind_of_change(bench: Bench) -> None:
    rows = [
        line(1, op="create", at=NOW, run=1),
        line(2, op="update", at=later(seconds=1), run=1),
        line(1, op="update", at=later(seconds=2)),
        line(1, op="hide", at=later(seconds=3), run=2),
    ]
    await bench.store.put_bases(Settlement(history=rows))
    newest_first = await bench.store.history(flow=FLOW)
    assert [row.op for row in newest_first] == ["hide", "update", "update", "create"]
    assert [row.op for row in await bench.store.history(key=key(1))] == ["hide", "update", "create"]
    assert [row.op for row in await bench.store.history(run=1)] == ["update", "create"]
    assert [row.op for row in await bench.store.history(since=later(seconds=2))] == ["hide", "update"]
    assert [row.op for row in await bench.store.history(ops=["create", "hide"])] == ["hide", "create"]
    assert await bench.store.history(ops=[]) == []
    assert await bench.store.history(flow=FlowName("other")) == []
    older = await bench.store.history(before=newest_first[1].id, limit=1)
    assert [row.id for row in older] == [newest_first[2].id]


async def test_recent_writes_are_told_by_key_oldest_first(bench: Bench) -> None:
    rows = [
        line(1, op="create", at=later(minutes=-20)),
        line(1, at=later(minutes=-2)),
        line(1, op="link", at=later(minutes=-2)),
        line(1, at=later(minutes=-1)),
        line(2, at=later(minutes=-1)),
        line(3, at=later(minutes=-1)),
    ]
    await bench.store.put_bases(Settlement(history=rows))
    recent = await bench.store.recent_writes([key(1), key(2), key(9)], later(minutes=-10))
    assert {k: [row.at for row in lines] for k, lines in recent.items()} == {
        key(1): [later(minutes=-2), later(minutes=-1)],
        key(2): [later(minutes=-1)],
    }


async def test_a_conflict_keeps_both_sides(bench: Bench) -> None:
    row = ConflictRow(
        key=key(1),
        path="price",
        base=Decimal(10),
        source=Decimal("11.5"),
        destination=None,
        choice="source",
        actor="rule",
        at=NOW,
    )
    sets = ConflictRow(
        key=key(2),
        path="categories",
        base=frozenset(),
        source=frozenset({"1"}),
        destination=frozenset({"2", "3"}),
        choice="newest:destination",
        actor="rule",
        at=later(seconds=1),
    )
    await bench.store.put_bases(Settlement(conflicts=[row, sets]))
    newest, oldest = await bench.store.conflicts(flow=FLOW)
    assert (newest.path, newest.source, newest.destination) == ("categories", sets.source, sets.destination)
    assert (oldest.base, oldest.source, oldest.destination, oldest.at) == (row.base, row.source, None, NOW)
    assert len(await bench.store.conflicts(limit=1)) == 1
    assert await bench.store.conflicts(flow=FlowName("other")) == []


async def test_a_guard_counts_a_key_once_per_window(bench: Bench) -> None:
    await bench.store.note_ops(FLOW, "price", [key(1), key(2), key(1)], NOW)
    await bench.store.note_ops(FLOW, "price", [key(2), key(3)], later(hours=20))
    await bench.store.note_ops(FLOW, "price", [key(3)], later(hours=19))  # told late: the newest time stays
    await bench.store.note_ops(FLOW, "delete", [key(4)], NOW)
    assert await bench.store.count_ops(FLOW, "price", NOW) == 3
    assert await bench.store.count_ops(FLOW, "price", later(hours=20)) == 2
    assert await bench.store.count_ops(FLOW, "delete", NOW) == 1
    assert await bench.store.count_ops(FlowName("other"), "price", NOW) == 0
