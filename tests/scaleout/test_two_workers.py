"""Several machines on one database: who does the work when one of them dies, stands still, or hangs.

Workers are real processes that are really killed and paused; what they did is told by the shops, which are a process of
their own and go on serving calls that a dead worker has sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from storeweave.model.kinds import Key
from tests.scaleout.diary import overlaps, steps_back
from tests.scaleout.rig import Rig, rig, until

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
LEASE_S = 1.5


async def nothing_went_wrong(there: Rig) -> None:
    """Everything arrived, nothing twice, nothing old over anything new, never two owners at one key."""
    await there.agreed()
    diary = await there.diary()
    assert overlaps(diary) == []
    assert steps_back(diary) == []
    assert await there.shops("created_twice") == []


async def interrupted(there: Rig, keys: Sequence[Key]) -> str:
    """Change the keys; the owner of their first write, which is under way and does not end."""
    await there.shops("hold")
    await there.from_now_on()
    await there.change(keys)
    return (await there.writing()).owner


async def test_two_workers_share_the_lanes(postgres_url: str, tmp_path: Path) -> None:
    async with rig(postgres_url, tmp_path, destinations=4) as there:
        await there.start("one", "two")
        keys = await there.stocked(40)
        for _ in range(5):
            await there.change(keys)
            await there.agreed()
        await nothing_went_wrong(there)
        assert {row.owner for row in await there.diary()} == {"one", "two"}


@pytest.mark.parametrize("work", ["creates", "updates"])
async def test_what_a_killed_worker_had_in_hand_is_finished_by_the_other(
    postgres_url: str, tmp_path: Path, work: str
) -> None:
    async with rig(postgres_url, tmp_path, lease_s=LEASE_S) as there:
        await there.start("one", "two")
        keys = await there.shops("stock", products=60)
        if work == "updates":
            await there.notice(keys)
            await there.agreed()
        victim = await interrupted(there, keys)
        await there.workers[victim].kill()
        await there.shops("let_go")
        await nothing_went_wrong(there)
        (survivor,) = {row.owner for row in (await there.since_then())[1:]}
        assert survivor != victim
        assert "lane.taken-over" in there.workers[survivor].log


async def test_a_call_that_lands_after_its_senders_death_is_found_and_repaired(
    postgres_url: str, tmp_path: Path
) -> None:
    async with rig(postgres_url, tmp_path, lease_s=LEASE_S) as there:
        await there.worker("one")
        keys = await there.stocked(5)
        await there.shops("hold", owner="one")
        await there.from_now_on()
        await there.change(keys)
        await there.writing()
        await there.workers["one"].kill()
        await there.change(keys)
        await there.worker("two")
        await there.alike()
        await there.shops("let_go", owner="one")

        async def old_prices_landed() -> bool:
            return len(steps_back(await there.diary())) == len(keys)

        await until(old_prices_landed, "the dead worker's call lands")
        await there.agreed()


async def test_a_worker_that_stood_still_writes_nothing_more_when_it_wakes_up(
    postgres_url: str, tmp_path: Path
) -> None:
    async with rig(postgres_url, tmp_path, lease_s=LEASE_S) as there:
        await stands_still_and_wakes_up(there)
        await nothing_went_wrong(there)
        assert "lane.lost" in there.workers["one"].log


async def test_without_the_look_at_the_deadline_it_writes_and_the_fence_repairs_it(
    postgres_url: str, tmp_path: Path
) -> None:
    """The test above can fail."""
    async with rig(postgres_url, tmp_path, lease_s=LEASE_S) as there:
        await stands_still_and_wakes_up(there, unsafe=("check_lease_before_write",))

        async def wrote_old_prices() -> bool:
            return steps_back(await there.diary()) != []

        await until(wrote_old_prices, "the worker goes on where it stood")
        await there.agreed()


async def stands_still_and_wakes_up(there: Rig, *, unsafe: tuple[str, ...] = ()) -> None:
    """Pause a worker in its first write of several, until another has taken over and written newer prices."""
    await there.worker("one", unsafe=unsafe)
    keys = await there.stocked(60)
    await interrupted(there, keys)
    there.workers["one"].pause()
    await there.shops("let_go")
    await there.change(keys)
    await there.worker("two")
    await there.alike()
    there.workers["one"].resume()


async def test_a_worker_whose_own_code_hangs_loses_the_lane_and_does_no_harm(postgres_url: str, tmp_path: Path) -> None:
    async with rig(postgres_url, tmp_path, lease_s=LEASE_S) as there:
        await there.worker("one")
        keys = await there.stocked(60)
        await there.shops("stun", owner="one", for_s=2 * LEASE_S)
        await there.from_now_on()
        await there.change(keys)
        await there.writing()
        await there.change(keys)
        await there.worker("two")
        await there.alike()
        assert {row.owner for row in await there.since_then()} == {"one", "two"}

        async def awake() -> bool:
            return "lane.lost" in there.workers["one"].log

        await until(awake, "the hung worker notices")
        await nothing_went_wrong(there)


async def test_a_worker_that_waits_for_an_answer_keeps_its_lane(postgres_url: str, tmp_path: Path) -> None:
    """Leases are shorter than a call may take; they are renewed meanwhile."""
    async with rig(postgres_url, tmp_path, lease_s=0.5) as there:
        await there.start("one", "two")
        keys = await there.stocked(5)
        owner = await interrupted(there, keys)

        async def gave_up_waiting() -> bool:
            return any(mark.attempts for mark in await there.store.marks())

        await until(gave_up_waiting, "the call times out")
        await there.shops("let_go")
        await nothing_went_wrong(there)
        assert "lane.taken-over" not in there.workers["one"].log + there.workers["two"].log
        assert (await there.since_then())[0].owner == owner


async def test_a_change_that_comes_while_its_key_is_being_written_is_written_after_it(
    postgres_url: str, tmp_path: Path
) -> None:
    async with rig(postgres_url, tmp_path, lease_s=LEASE_S) as there:
        await there.start("one", "two")
        keys = await there.stocked(5)
        await interrupted(there, keys)
        await there.change(keys)
        await there.shops("let_go")
        await nothing_went_wrong(there)
        assert [set(row.prices) for row in await there.since_then()] == [set(keys), set(keys)]


async def test_a_worker_that_is_stopped_hands_over_at_once(postgres_url: str, tmp_path: Path) -> None:
    async with rig(postgres_url, tmp_path, lease_s=3600.0) as there:
        await there.worker("one")
        keys = await there.stocked(60)
        await there.worker("two")
        victim = await interrupted(there, keys)
        await there.shops("let_go")
        assert await there.workers[victim].stop() == 0
        await nothing_went_wrong(there)


async def test_without_any_doorbell_lanes_find_their_work(postgres_url: str, tmp_path: Path) -> None:
    async with rig(postgres_url, tmp_path, destinations=2) as there:
        await there.start("one", "two", has_doorbell=False)
        keys = await there.stocked(20)
        await there.change(keys)
        await nothing_went_wrong(there)


async def test_a_database_that_drops_every_connection_ends_no_worker(postgres_url: str, tmp_path: Path) -> None:
    """As at a fail-over: whatever was under way is broken off, and everybody has to connect again."""
    async with rig(postgres_url, tmp_path, destinations=2, lease_s=LEASE_S) as there:
        await there.start("one", "two", ticks=True)
        keys = await there.stocked(40)
        await there.shops("slow", write_s=0.02)
        await there.change(keys)
        for _ in range(5):
            await there.from_now_on()
            await drop_connections(postgres_url)
            await there.change_somehow(keys)
            await there.writing()
        await there.agreed()
        assert await there.shops("created_twice") == []
        for worker in there.workers.values():
            assert await worker.stop() == 0, worker.log


async def drop_connections(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
