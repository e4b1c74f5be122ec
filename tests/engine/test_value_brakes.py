"""Harm that is not a delete: zeroes, price jumps, values to and fro (semantics 3.3 and 3.7)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from storeweave.model.flow import BrakeLimits
from storeweave.model.kinds import Key, Kind
from storeweave.model.state import MarkState
from tests.engine.stage import Stage, virtually

FEW = BrakeLimits(values=3, values_share=0.0)
HOUR_S = 3600.0


async def priced(count: int, brakes: BrakeLimits = FEW) -> tuple[Stage, list[Key]]:
    """A stage with that many products of price 10 at both sides."""
    stage = Stage(brakes=brakes)
    keys = [stage.product(f"T-{n}", inventory_level=5) for n in range(count)]
    await stage.settled()
    return stage, keys


def values(stage: Stage, name: str) -> list[object]:
    return [r.fields[name] for r in stage.b.records[Kind.PRODUCT].values()]


@pytest.mark.parametrize(
    ("field", "value", "guard"),
    [
        ("price", Decimal(0), "zero-price"),
        ("price", Decimal(100), "price-move"),
        ("price", Decimal(5), "price-move"),
        ("inventory_level", 0, "zero-stock"),
    ],
)
@virtually
async def test_many_alarming_changes_are_held_and_the_rest_goes_on(field: str, value: Decimal, guard: str) -> None:
    stage, keys = await priced(10)
    for key in keys[:6]:
        stage.a.edit_product(key, **{field: value})
    stage.a.edit_product(keys[9], description="new")
    await stage.settled()
    assert values(stage, field).count(value) <= FEW.values
    assert stage.there("T-9")["description"] == "new"
    (brake,) = await stage.store.brakes()
    assert (brake.guard, brake.held) == (guard, 6 - values(stage, field).count(value))
    now = stage.clock.now()
    await stage.store.release_brake(brake.id, count=brake.held, list_hash=brake.list_hash, now=now)
    await stage.settled()
    assert values(stage, field).count(value) == 6


@virtually
async def test_a_corrected_value_frees_what_was_held() -> None:
    stage, keys = await priced(10)
    for key in keys[:6]:
        stage.a.edit_product(key, price=Decimal(0))
    await stage.settled()
    for key in keys[:6]:
        stage.a.edit_product(key, price=Decimal("10.5"))
    await stage.settled()
    held = [m for m in await stage.marks() if m.state is MarkState.HELD]
    assert len(held) <= FEW.values  # those that were zero at the destination moved from 0, which alarms nobody
    assert Decimal(0) not in values(stage, "price")


@virtually
async def test_as_many_changes_spread_over_hours_pass() -> None:
    stage, keys = await priced(10)
    for key in keys:
        stage.a.edit_product(key, price=Decimal(100))
        await stage.wait(HOUR_S / 2)
    assert values(stage, "price") == [Decimal(100)] * 10


@virtually
async def test_a_usual_change_alarms_nobody() -> None:
    stage, keys = await priced(30)
    for key in keys:
        stage.a.edit_product(key, price=Decimal("12.9"))
    await stage.settled()
    assert values(stage, "price") == [Decimal("12.9")] * 30


@pytest.mark.parametrize(("field", "value"), [("price", Decimal(-1)), ("inventory_level", 10**9 + 1)])
@virtually
async def test_an_impossible_value_is_never_written(field: str, value: Decimal) -> None:
    stage, keys = await priced(2)
    stage.a.edit_product(keys[0], **{field: value})
    await stage.settled()
    assert value not in values(stage, field)
    (parked,) = await stage.marks()
    assert (parked.state, parked.reason_code) == (MarkState.PARKED, "value")
    assert "correct it at the source" in (parked.reason or "")


@virtually
async def test_a_value_that_goes_to_and_fro_is_left_alone_and_other_fields_are_written() -> None:
    stage, keys = await priced(1, BrakeLimits())
    for n in range(20):
        stage.a.edit_product(keys[0], price=Decimal(10 + n % 2))
        await stage.settled(60.0)
        await stage.wait(2.0)
    assert len([e for e in stage.b.log.writes(Kind.PRODUCT) if e.detail == ("price",)]) <= 6
    stage.a.edit_product(keys[0], description="still noticed")
    await stage.wait(5.0)
    assert stage.there("T-0")["description"] == "still noticed"
    await stage.wait(11 * 60.0)
    assert stage.there("T-0")["price"] == stage.a.records[Kind.PRODUCT][keys[0]].fields["price"]
