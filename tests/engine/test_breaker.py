"""An outage is several keys failing without success between; one bad key never looks like one."""

from __future__ import annotations

import asyncio
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from storeweave.engine.backoff import CAP_S, backoff_s
from storeweave.engine.breaker import KEYS, Breaker
from storeweave.model.kinds import FlowName, Key, Kind
from storeweave.model.records import FlowKey
from tests.simulation.virtual import VirtualClock, run_virtually


def key(n: int) -> FlowKey:
    return FlowKey(FlowName("f"), Kind.PRODUCT, Key(str(n)))


def test_one_key_failing_for_ever_opens_nothing() -> None:
    async def fail() -> bool:
        breaker = Breaker(VirtualClock(asyncio.get_running_loop()))
        return any(breaker.failed([key(1)]) for _ in range(100)) or breaker.is_open

    assert not run_virtually(fail())


def test_several_keys_open_it_and_one_probe_goes_out_per_period() -> None:
    async def probes() -> tuple[bool, int]:
        clock = VirtualClock(asyncio.get_running_loop())
        breaker = Breaker(clock, probe_s=30)
        opened = [breaker.failed([key(n)]) for n in range(KEYS)]
        sent = 0
        while clock.monotonic() < 300:
            await clock.sleep(breaker.wait_s())
            sent += 1
            breaker.failed([key(0)])
        return opened == [False] * (KEYS - 1) + [True], sent

    assert run_virtually(probes()) == (True, 10)


def test_one_success_closes_it() -> None:
    async def recover() -> tuple[bool, float]:
        breaker = Breaker(VirtualClock(asyncio.get_running_loop()))
        breaker.failed([key(n) for n in range(KEYS)])
        return breaker.succeeded(), breaker.wait_s()

    assert run_virtually(recover()) == (True, 0.0)


@given(attempts=st.integers(0, 10_000), seed=st.integers())
def test_a_key_waits_a_moment_at_least_and_a_quarter_of_an_hour_at_most(attempts: int, seed: int) -> None:
    assert 0.1 <= backoff_s(attempts, Random(seed)) <= CAP_S
