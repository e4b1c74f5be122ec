"""One purse per connection: the vendor's word rules, urgency decides who goes first, sweeps keep to their share."""

from __future__ import annotations

import asyncio

import pytest

from storeweave.engine.budget import SWEEP_SHARE, Purse
from storeweave.model.errors import RateLimitedError
from storeweave.model.records import Priority
from tests.simulation.virtual import VirtualClock, run_virtually


def test_without_a_pace_and_without_headers_nobody_waits() -> None:
    async def spend() -> float:
        clock = VirtualClock(asyncio.get_running_loop())
        purse = Purse(clock)
        for _ in range(1000):
            await purse.spend(Priority.NORMAL)
        return clock.monotonic()

    assert run_virtually(spend()) == 0.0


def test_a_pace_of_our_own_spreads_the_calls() -> None:
    async def spend() -> float:
        clock = VirtualClock(asyncio.get_running_loop())
        purse = Purse(clock, calls_per_s=5, burst=5)
        for _ in range(55):
            await purse.spend(Priority.NORMAL)
        return clock.monotonic()

    assert run_virtually(spend()) == pytest.approx(10, abs=0.5)


def test_nobody_calls_while_the_vendor_said_stop() -> None:
    async def spend() -> float:
        clock = VirtualClock(asyncio.get_running_loop())
        purse = Purse(clock)
        purse.hold(7.0)
        await purse.spend(Priority.DELETE)
        return clock.monotonic()

    assert run_virtually(spend()) == pytest.approx(7.0)


def test_a_wait_longer_than_a_caller_may_hang_is_said_at_once() -> None:
    async def spend() -> float | None:
        purse = Purse(VirtualClock(asyncio.get_running_loop()), longest_wait_s=60)
        purse.hold(3600)
        with pytest.raises(RateLimitedError) as limited:
            await purse.spend(Priority.NORMAL)
        return limited.value.wait_s

    assert run_virtually(spend()) == pytest.approx(3600)


def test_the_window_of_the_headers_is_kept_and_a_little_is_left_to_others() -> None:
    async def spend() -> tuple[int, float]:
        clock = VirtualClock(asyncio.get_running_loop())
        purse = Purse(clock)
        purse.learn(left=100, quota=150, reset_s=30)
        done = 0
        while clock.monotonic() == 0.0:
            await purse.spend(Priority.NORMAL)
            done += clock.monotonic() == 0.0
        return done, clock.monotonic()

    done, later = run_virtually(spend())
    assert 90 <= done < 100
    assert later == pytest.approx(30)


def test_sweeps_spend_only_their_share_of_a_window() -> None:
    async def spend() -> tuple[int, int]:
        clock = VirtualClock(asyncio.get_running_loop())
        purse = Purse(clock)
        purse.learn(left=150, quota=150, reset_s=30)
        swept = 0
        while clock.monotonic() == 0.0:
            await purse.spend(Priority.SWEEP)
            swept += clock.monotonic() == 0.0
        return swept, int(150 * SWEEP_SHARE)

    swept, share = run_virtually(spend())
    assert swept == share


def test_when_calls_are_short_the_urgent_ones_go_first() -> None:
    async def spend() -> list[Priority]:
        clock = VirtualClock(asyncio.get_running_loop())
        purse = Purse(clock, calls_per_s=1, burst=1)
        await purse.spend(Priority.NORMAL)
        order: list[Priority] = []

        async def one(priority: Priority) -> None:
            await purse.spend(priority)
            order.append(priority)

        asked = [Priority.SWEEP, Priority.IMAGE, Priority.NORMAL, Priority.PRICE, Priority.DELETE]
        await asyncio.gather(*(one(p) for p in asked))
        return order

    assert run_virtually(spend()) == list(Priority)
