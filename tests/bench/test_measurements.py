"""Every measurement runs at its smallest and says what it should; how fast this machine is, is no test's business."""

import pytest

from bench import changes, databases, door, latency, passes
from bench.report import Section

pytestmark = pytest.mark.slow


def _column(section: Section, table: int, name: str) -> dict[str, object]:
    found = section.tables[table]
    at = list(found.columns).index(name)
    return {str(row[0]): row[at] for row in found.rows}


async def test_each_change_costs_no_more_writes_than_was_promised_and_far_fewer_than_by_the_procedure_of_brief_1() -> (
    None
):
    section = await changes.measure()
    assert [must.claim for must in section.musts if not must.holds] == []
    ours, briefs = _column(section, 0, "our writes"), _column(section, 0, "brief 1 writes")
    fewest = _column(section, 0, "fewest writes")
    assert ours == fewest
    assert all(int(str(briefs[name])) >= int(str(ours[name])) for name in ours)
    assert int(str(briefs["price"])) > 2 * (changes.VARIANTS + changes.IMAGES)


@pytest.mark.slow
async def test_a_pass_over_an_unchanged_catalogue_writes_nothing_and_reads_each_page_once() -> None:
    section = await passes.measure(passes.Sizes(products=(30, 60), repeats=1, speed_products=30))
    loads, unchanged, speed = section.tables
    assert [row[0] for row in loads.rows] == [30, 60]
    assert _column(section, 1, "writes") == {"30": 0, "60": 0}
    assert _column(section, 1, "reads A") == _column(section, 1, "pages there are")
    assert _column(section, 1, "reads B") == _column(section, 1, "pages there are")
    assert all(float(row[1]) > 0 for row in [*unchanged.rows, *speed.rows])
    assert [must.holds for must in section.musts[:2]] == [True, True]


@pytest.mark.slow
async def test_the_door_is_measured_against_the_bare_app_and_acknowledges_everything() -> None:
    plan = door.DoorPlan(full_speed_s=0.2, turns=1, steady_s=0.2, kinds=[databases.DISK])
    section = await door.measure(plan)
    assert [row[0] for row in section.tables[0].rows] == ["SQLite, ours", "SQLite, bare"]
    assert set(_column(section, 0, "failed").values()) == {0}
    assert all(float(str(rate)) > 0 for rate in _column(section, 0, "acknowledged/s").values())


@pytest.mark.slow
async def test_every_change_that_is_clocked_arrives() -> None:
    plan = latency.LatencyPlan(idle_changes=3, busy_s=0.2, kinds=[databases.DISK])
    section = await latency.latency(plan)
    assert [row[1] for row in section.tables[0].rows] == [3, 10]
    assert all(0 < float(row[2]) <= float(row[3]) for row in section.tables[0].rows)


@pytest.mark.slow
async def test_a_killed_hub_is_clocked_from_its_restart() -> None:
    section = await latency.recovery(latency.RecoveryPlan(kills=1, burst=10))
    first, agreed = section.tables[0].rows
    assert 0 < float(first[1]) <= float(agreed[1])
