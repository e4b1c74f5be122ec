"""Runs, connections, named values and content hashes."""

import msgspec
import pytest

from storeweave.model.kinds import ConnectionName, FlowName
from storeweave.model.state import ConnectionRow
from tests.storage.samples import FLOW, NOW, SHOP, Bench, later


async def test_a_run_goes_on_where_it_stopped_and_adds_up(bench: Bench) -> None:
    run = await bench.store.start_run(FLOW, "full", NOW, "first load")
    await bench.store.save_run(run, cursor="page-2", counts={"read": 250, "written": 3})
    await bench.store.save_run(run, counts={"read": 250, "parked": 1})
    row = await bench.store.run(run)
    assert row is not None
    assert (row.cursor, row.state, row.note, row.started_at) == ("page-2", "running", "first load", NOW)
    assert row.counts == {"read": 500, "written": 3, "parked": 1}
    await bench.store.save_run(run, state="done", ended_at=later(hours=1), note="all of it")
    row = await bench.store.run(run)
    assert row is not None
    assert (row.state, row.ended_at, row.note, row.cursor) == ("done", later(hours=1), "all of it", "page-2")


async def test_runs_are_listed_newest_first(bench: Bench) -> None:
    first = await bench.store.start_run(FLOW, "full", NOW)
    second = await bench.store.start_run(None, "sweep", NOW)
    await bench.store.save_run(first, state="failed")
    assert [row.id for row in await bench.store.runs()] == [second, first]
    assert [row.id for row in await bench.store.runs(state="running")] == [second]
    assert [row.id for row in await bench.store.runs(flow=FLOW)] == [first]
    assert await bench.store.runs(flow=FlowName("other")) == []
    assert await bench.store.run(999) is None


async def test_progress_of_a_run_that_does_not_exist_is_a_mistake(bench: Bench) -> None:
    with pytest.raises(KeyError):
        await bench.store.save_run(999, counts={"read": 1})


async def test_a_connection_is_remembered(bench: Bench) -> None:
    assert await bench.store.connection(SHOP) is None
    row = ConnectionRow(name=SHOP, fingerprint="abc", account="Mugs Ltd", state="active", reason="", changed_at=NOW)
    await bench.store.put_connection(row)
    blocked = msgspec.structs.replace(row, state="blocked", reason="401", changed_at=later(seconds=1))
    await bench.store.put_connection(blocked)
    assert await bench.store.connection(SHOP) == blocked


async def test_a_named_value_is_the_last_one_put(bench: Bench) -> None:
    assert await bench.store.get_value("cursor") is None
    await bench.store.put_value("cursor", "1")
    await bench.store.put_value("cursor", "2")
    assert await bench.store.get_value("cursor") == "2"


async def test_content_hashes_are_remembered_by_connection_and_token(bench: Bench) -> None:
    await bench.store.put_content_hashes(SHOP, {"1@5": "aa", "2@5": "bb"})
    await bench.store.put_content_hashes(SHOP, {"2@5": "cc"})
    assert await bench.store.content_hashes(SHOP, ["1@5", "2@5", "3@5"]) == {"1@5": "aa", "2@5": "cc"}
    assert await bench.store.content_hashes(ConnectionName("other"), ["1@5"]) == {}
    await bench.store.put_content_hashes(SHOP, {})


async def test_a_value_is_kept_by_whoever_came_first(bench: Bench) -> None:
    assert await bench.store.keep_value("root", "first") == "first"
    assert await bench.store.keep_value("root", "second") == "first"
    assert await bench.store.get_value("root") == "first"
