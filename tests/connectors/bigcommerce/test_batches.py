"""A bad row in a batch is found by halving, and only it fails."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.connectors.bigcommerce.batches import write_rows
from storeweave.model.errors import LaneBlockedError, RefusedError, StoreweaveError, UnknownOutcomeError


@given(count=st.integers(0, 60), most=st.integers(1, 50), bad=st.sets(st.integers(0, 59)))
async def test_exactly_the_bad_rows_fail_and_all_others_are_written_once(count: int, most: int, bad: set[int]) -> None:
    written: list[int] = []
    failed: list[int] = []
    calls = 0

    async def send(batch: Sequence[int]) -> Sequence[int]:
        nonlocal calls
        calls += 1
        assert 0 < len(batch) <= most
        if bad & set(batch):
            raise RefusedError("no")
        written.extend(batch)
        return ()

    await write_rows(list(range(count)), send, lambda row, error: failed.append(row), most=most)
    present = bad & set(range(count))
    assert sorted(failed) == sorted(present)
    assert sorted(written) == sorted(set(range(count)) - present)
    assert calls <= -(-count // most) + 2 * len(present) * max(most.bit_length(), 1)


async def test_rows_saved_in_part_are_tried_alone() -> None:
    batches: list[list[str]] = []

    async def send(batch: Sequence[str]) -> Sequence[str]:
        batches.append(list(batch))
        return [row for row in batch if row == "b"]

    await write_rows(["a", "b", "c"], send, lambda row, error: None, most=10)
    assert batches == [["a", "b", "c"], ["b"]]


async def test_an_unknown_outcome_is_unknown_for_the_whole_call_and_not_repeated() -> None:
    failed: dict[int, StoreweaveError] = {}
    calls = 0

    async def send(batch: Sequence[int]) -> Sequence[int]:
        nonlocal calls
        calls += 1
        if 3 in batch:
            raise UnknownOutcomeError("no answer")
        return ()

    await write_rows(list(range(6)), send, failed.__setitem__, most=2)
    assert sorted(failed) == [2, 3]
    assert calls == 3


async def test_what_concerns_the_lane_goes_straight_up() -> None:
    async def send(batch: Sequence[int]) -> Sequence[int]:
        raise LaneBlockedError("401")

    with pytest.raises(LaneBlockedError):
        await write_rows([1, 2], send, lambda row, error: None, most=2)
