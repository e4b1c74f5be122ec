"""A store that fails at random: no outcome ever says more than is true."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from storeweave.connectors.bigcommerce.twin import Figures, TwinSettings
from storeweave.model.errors import RefusedError, TransientError
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Change, PartsChange, Record
from storeweave.twinkit.faults import FaultRates
from tests.connectors.bigcommerce.seat import FREE, PICTURES, Seat, big_product, new, update


def any_change(record: Record, rng: random.Random) -> Change:
    """One valid change of a product and its parts."""
    variants = [key for key, fields in record.parts["variants"].items() if fields["option_values"]]
    parts = {}
    if variants and rng.random() < 0.7:
        some = rng.sample(variants, min(3, len(variants)))
        parts["variants"] = PartsChange(update={key: {"price": Decimal(rng.randrange(1, 500))} for key in some})
    if rng.random() < 0.4:
        images = list(record.parts["images"])
        parts["images"] = PartsChange(
            create={"+i": {"url": f"{PICTURES}{rng.random()}", "sort_order": 50, "description": "new"}},
            update={key: {"description": f"d{rng.random()}"} for key in images[:1]},
        )
    fields = {"price": Decimal(rng.randrange(1, 10_000)) / 100}
    if rng.random() < 0.3:
        fields["custom_fields"] = frozenset({("a", str(rng.randrange(9))), ("b", str(rng.randrange(9)))})  # type: ignore[assignment]
    return update(record, fields, **parts)


def disagreements(change: Change, now: Record) -> list[str]:
    """What a change said was done and is not."""
    found = [f"{name}: {now.fields.get(name)}" for name, value in change.fields.items() if now.fields[name] != value]
    for collection, parts in change.parts.items():
        for key, fields in parts.update.items():
            there = now.parts[collection].get(key, {})
            found += [f"{collection}/{key}/{name}" for name, value in fields.items() if there.get(name) != value]
    return found


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_reported_as_written_is_written_and_nothing_valid_is_refused(seed: int) -> None:
    seat = Seat(TwinSettings(batch_saves_valid_items=seed % 2 == 0), figures=Figures(products=40))
    rng = random.Random(seed)
    done = doubtful = 0
    for _ in range(12):
        keys = [record.key for record in (await seat.connector.scan(Kind.PRODUCT, None, FREE)).records]
        records = await seat.connector.read(Kind.PRODUCT, rng.sample(keys, 12), FREE)
        changes = [any_change(record, rng) for record in records.values() if record is not None]
        seat.twin.faults.set(FaultRates.evenly(0.2, on="writes"))
        outcomes = await seat.write(*changes)
        seat.twin.faults.set(None)
        assert set(outcomes) == {change.ref for change in changes}
        for change in changes:
            outcome = outcomes[change.ref]
            if outcome.error is not None:
                assert isinstance(outcome.error, TransientError), outcome.error
                doubtful += 1
                continue
            assert change.key is not None
            now = await seat.read(change.key)
            assert disagreements(change, now) == []
            assert set(outcome.part_keys.get("images", {}).values()) <= set(now.parts["images"])
            done += 1
        seat.desk.clock.push(10)
        seat.twin.settle()  # what was late has landed before the next look
    assert done > 40
    assert doubtful > 10


@pytest.mark.parametrize("seed", range(4))
async def test_creations_can_be_looked_up_after_any_fault(seed: int) -> None:
    seat = Seat()
    waiting = {f"P{i}": big_product(["S", "M"], images=1, sku=f"P{i}") for i in range(30)}
    keys: dict[str, Key] = {}
    seat.twin.faults._rng = random.Random(seed)
    for _ in range(60):
        seat.twin.faults.set(FaultRates.evenly(0.3, on="writes"))
        outcomes = await seat.write(*waiting.values()) if waiting else {}
        seat.twin.faults.set(None)
        seat.desk.clock.push(10)
        seat.twin.settle()
        for ref, outcome in outcomes.items():
            if outcome.key is not None:
                keys[ref] = outcome.key
                waiting.pop(ref, None)
            elif isinstance(outcome.error, RefusedError):
                assert outcome.error.code == "duplicate"
        found = await seat.connector.find(Kind.PRODUCT, [f"sku:{sku}" for sku in waiting], FREE)
        for match, records in found.items():
            for record in records:
                keys[match.removeprefix("sku:")] = record.key
                waiting.pop(match.removeprefix("sku:"), None)
        if not waiting:
            break
    assert not waiting
    assert len(keys) == len(set(keys.values())) == len(seat.twin.shop.entries) == 30


async def test_a_strict_quota_is_told_to_the_budget_and_refusals_do_not_count_as_written() -> None:
    seat = Seat(TwinSettings(quota=5))
    changes = [new(Kind.BRAND, str(i), {"name": f"Brand {i}"}) for i in range(8)]
    outcomes = await seat.write(*changes)
    limited = [outcome for outcome in outcomes.values() if outcome.error is not None]
    assert len(limited) == 3
    assert len(seat.twin.shop.brands) == 5
    assert all(outcome.error is not None and outcome.error.wait_s for outcome in limited)
    assert seat.purse.held
    assert seat.purse.learnt[0][:2] == (4, 5)
