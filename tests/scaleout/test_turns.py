"""Periodic work of several processes on one database, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from structlog.testing import capture_logs

from storeweave.app.turns import Turns
from storeweave.model.errors import TransientError
from storeweave.model.kinds import LaneName
from storeweave.storage.executor import Inline
from storeweave.storage.store import SqlStore, open_store
from tests.simulation.virtual import VirtualClock, run_virtually

LANE = LaneName("~poll")
PERIOD_S = 60.0
LEASE_S = 6.0


class Diary:
    """Who did it when; ``takes_s`` is how long it takes."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.done: list[tuple[float, str]] = []
        self.at_it = 0
        self.most_at_it = 0
        self._takes_s = takes_s

    def task(self, who: str) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            self.at_it += 1
            self.most_at_it = max(self.most_at_it, self.at_it)
            self.done.append((asyncio.get_running_loop().time(), who))
            await asyncio.sleep(self._takes_s)
            self.at_it -= 1

        return work


def opened(clock: VirtualClock) -> SqlStore:
    return open_store("sqlite://", executor=Inline(), clock=clock)


def process(store: SqlStore, clock: VirtualClock, who: str) -> Turns:
    return Turns(store, clock, holder=who, lease_s=LEASE_S)


async def three_for_an_hour(diary: Diary, *, apart_s: float = 0.0, skew_s: float = 0.0) -> None:
    """Three processes that start ``apart_s`` apart, with clocks ``skew_s`` apart."""
    loop = asyncio.get_running_loop()
    store = opened(VirtualClock(loop))
    tasks = []
    for number in range(3):
        clock = VirtualClock(loop, skew_s=number * skew_s)
        who = f"process {number}"
        tasks.append(asyncio.create_task(process(store, clock, who).every("poll", PERIOD_S, diary.task(who))))
        await asyncio.sleep(apart_s)
    await asyncio.sleep(3600.0 - 3 * apart_s)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await store.close()


def test_three_processes_that_start_together_do_it_as_often_as_one() -> None:
    diary = Diary()
    run_virtually(three_for_an_hour(diary))
    assert len(diary.done) in (60, 61)


def test_a_process_that_starts_later_does_it_once_more_and_then_takes_turns() -> None:
    diary = Diary()
    run_virtually(three_for_an_hour(diary, apart_s=17.0))
    assert 60 <= len(diary.done) <= 60 + 3
    assert [who for at, who in diary.done if at < 40.0] == ["process 0", "process 1", "process 2"]


def test_nobody_does_it_while_somebody_is_at_it_however_long_that_takes() -> None:
    diary = Diary(takes_s=2.5 * PERIOD_S)
    run_virtually(three_for_an_hour(diary, apart_s=17.0))
    assert diary.most_at_it == 1
    assert 22 <= len(diary.done) <= 24


def test_clocks_that_disagree_make_it_a_little_more_frequent_at_worst() -> None:
    diary = Diary()
    run_virtually(three_for_an_hour(diary, skew_s=20.0))
    assert 58 <= len(diary.done) <= 2 * 60


def test_when_the_process_that_does_it_dies_another_one_does_it() -> None:
    diary = Diary()

    async def story() -> None:
        loop = asyncio.get_running_loop()
        clock = VirtualClock(loop)
        store = opened(clock)
        hold = await store.take_lane(LANE, "a dead process", LEASE_S)
        assert hold is not None
        survivor = asyncio.create_task(
            process(store, clock, "survivor").every("poll", PERIOD_S, diary.task("survivor"))
        )
        await asyncio.sleep(3 * LEASE_S)
        survivor.cancel()
        await asyncio.wait([survivor])
        await store.close()

    run_virtually(story())
    assert [who for _, who in diary.done] == ["survivor"]


def test_a_task_that_fails_is_told_and_tried_again_soon() -> None:
    calls = []

    async def fails() -> None:
        calls.append(asyncio.get_running_loop().time())
        if len(calls) < 3:
            raise TransientError("the vendor is away") if len(calls) == 1 else ValueError("a mistake of ours")

    async def story() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        store = opened(clock)
        task = asyncio.create_task(process(store, clock, "one").every("poll", PERIOD_S, fails))
        await asyncio.sleep(2.5 * PERIOD_S)
        task.cancel()
        await asyncio.wait([task])
        await store.close()

    with capture_logs() as logs:
        run_virtually(story())
    assert calls == [0.0, 30.0, 60.0, 60.0 + PERIOD_S]
    assert [entry["event"] for entry in logs] == ["task.failed", "task.crashed"]


def test_a_database_that_is_away_for_a_while_ends_no_process() -> None:
    diary = Diary()

    async def story() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        store = opened(clock)
        broken_until = clock.now() + timedelta(seconds=20)
        real = store.get_value

        async def get_value(name: str) -> str | None:
            if clock.now() < broken_until:
                raise TransientError("our own database", code="storage")
            return await real(name)

        store.get_value = get_value  # type: ignore[method-assign] # the outage happens below every port that we have
        task = asyncio.create_task(process(store, clock, "one").every("poll", PERIOD_S, diary.task("one")))
        await asyncio.sleep(20 + LEASE_S)
        task.cancel()
        await asyncio.wait([task])
        await store.close()

    run_virtually(story())
    assert len(diary.done) == 1


def test_what_every_process_must_know_is_done_by_each_of_them() -> None:
    diary = Diary()

    async def story() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        store = opened(clock)
        tasks = [
            asyncio.create_task(process(store, clock, who).each("accounts", PERIOD_S, diary.task(who)))
            for who in ("one", "two")
        ]
        await asyncio.sleep(PERIOD_S / 2)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await store.close()

    run_virtually(story())
    assert sorted(who for _, who in diary.done) == ["one", "two"]
