"""Quotas, caps, replicas that lag, effects that land late."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from storeweave.twinkit.lag import LaggingView
from storeweave.twinkit.landing import Landings
from storeweave.twinkit.limits import Gates, QuotaWindow


@given(quota=st.integers(1, 20), steps=st.lists(st.floats(0, 20), max_size=100))
def test_no_window_lets_more_calls_through_than_its_quota(quota: int, steps: list[float]) -> None:
    window = QuotaWindow(quota, window_s=30)
    now, starts, allowed = 0.0, 0.0, 0
    for number, step in enumerate(steps):
        now += step
        state = window.take(now)
        if number == 0 or now >= starts + 30:
            starts, allowed = now, 0
        allowed += state.allowed
        assert allowed <= quota
        assert state.allowed or state.left == 0
        assert state.reset_s == starts + 30 - now


def test_without_a_quota_nothing_is_refused_and_a_large_one_is_shown() -> None:
    window = QuotaWindow(None)
    assert all(window.take(0).allowed for _ in range(1000))
    assert window.take(0).quota == QuotaWindow.UNLIMITED
    assert not window.exhaust(0).allowed
    assert window.take(0).allowed


def test_a_gate_lets_so_many_in_at_once_and_again_when_they_left() -> None:
    gates = Gates({"tree": 1})
    assert gates.enter("tree")
    assert not gates.enter("tree")
    assert gates.enter("other")
    gates.leave("tree")
    assert gates.enter("tree")
    assert gates.busiest == {"tree": 1, "other": 1}


@given(st.lists(st.tuples(st.floats(0, 4), st.integers(0, 2)), max_size=60), st.integers(0, 9))
def test_readers_never_go_back_in_time_and_see_the_truth_after_the_lag(
    writes: list[tuple[float, int]], seed: int
) -> None:
    view: LaggingView[int, int] = LaggingView(random.Random(seed), lag_s=5, share=0.7)
    truth: dict[int, int] = {}
    seen: dict[int, int] = {}
    now = 0.0
    for version, (step, key) in enumerate(writes):
        now += step
        view.note(key, truth.get(key), now)
        truth[key] = version
        for each in range(3):
            shown = view.shown(each, truth.get(each), now)
            assert (-1 if shown is None else shown) >= seen.get(each, -1)
            seen[each] = -1 if shown is None else shown
    assert all(view.shown(key, truth.get(key), now + 5) == truth.get(key) for key in range(3))
    assert view.late_keys(now + 5) == []


def test_without_lag_nothing_is_remembered() -> None:
    view: LaggingView[int, str] = LaggingView(random.Random(1))
    view.note(1, "old", 0)
    assert view.shown(1, "new", 0) == "new"
    assert view.late_keys(0) == []


def test_effects_land_in_the_order_of_their_times() -> None:
    landed: list[str] = []
    landings = Landings()
    for at, name in ((5.0, "c"), (1.0, "a"), (1.0, "b")):
        landings.add(at, lambda name=name: landed.append(name))  # type: ignore[misc]
    assert landings.next_at == 1.0
    assert landings.apply_due(0.5) == 0
    assert landings.apply_due(1.0) == 2
    assert landings.apply_due(9.0) == 1
    assert landed == ["a", "b", "c"]
    assert len(landings) == 0
