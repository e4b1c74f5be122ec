"""Do the stores agree? Asked twice: of an oracle that looks into both twins, and of the hub's own verify pass.

Products that store A deleted are hidden in store B by intent; they are counted and named as such. Anything else that
only one store has, or has differently, is a disagreement.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import msgspec

from storeweave.app.demo.steps import Step
from storeweave.app.demo.world import CHANNEL, A, B, World
from storeweave.connectors.bigcommerce.twin import BigCommerceTwin, Difference, compare_stores
from storeweave.model.kinds import ConnectionName, Kind
from storeweave.model.state import MarkState

MOST_TOLD = 20


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One sort of thing. ``hub_agrees``: how many records the hub's verify pass found equal; None: inside products."""

    thing: str
    in_a: int
    in_b: int
    differ: int
    hub_agrees: int | None


class StoreCalls(msgspec.Struct, frozen=True, kw_only=True):
    """What one store was asked in the whole demo. ``refused``: 429 answers."""

    reads: int
    writes: int
    refused: int
    left: int | None
    quota: int | None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """From an edit in A, told by webhook, until B shows it."""

    count: int
    p50_ms: float | None
    p99_ms: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The end of the demo."""

    rows: tuple[Row, ...]
    hidden: int  # in B, because A deleted them
    differences: tuple[str, ...]
    difference_count: int
    agreement: float  # share of A's products, categories and brands that are equal, by the oracle
    hub_agrees: bool
    hub_says: str
    parked: tuple[str, ...]
    held: tuple[str, ...]
    made_twice: tuple[str, ...]
    calls: dict[str, StoreCalls]
    latency: Latency
    failed_steps: tuple[str, ...]
    agrees: bool


async def agreement_report(world: World, steps: Sequence[Step]) -> Report:
    """Compare everything in both ways. Changes nothing."""
    found, hidden = _differences(world)
    _, here, there = await world.hub.verify(world.flow)
    agree = {listing.kind: listing.agree for listing in there}
    marked = sum(listing.marked for listing in (*here, *there))
    absent = sum(listing.absent for listing in (*here, *there))
    extra = sum(listing.extra for listing in there)
    complete = all(listing.complete for listing in (*here, *there))
    hub_agrees = complete and not marked and not absent and extra == hidden
    parked = await world.store.marks(state=MarkState.PARKED)
    brakes = await world.store.brakes()
    shop = world.a.shop
    total = len(shop.entries) + len(shop.categories) + len(shop.brands)
    wrong = {difference.key for difference in found}
    failed = tuple(step.name for step in steps if not step.ok)
    twice = (*world.b.shop.doubles, *world.b.shop.recreated)
    return Report(
        rows=tuple(_rows(world, found, hidden, agree)),
        hidden=hidden,
        differences=tuple(map(str, found[:MOST_TOLD])),
        difference_count=len(found),
        agreement=max(0.0, 1 - len(wrong) / total) if total else 1.0,
        hub_agrees=hub_agrees,
        hub_says=f"{sum(agree.values())} records agree, {marked + absent} differ, {extra} only in B",
        parked=tuple(f"{mark.key.kind} {mark.key.key}: {mark.reason}" for mark in parked),
        held=tuple(f"{brake.guard}: {brake.message}" for brake in brakes),
        made_twice=twice,
        calls={name: _calls(world, name, twin) for name, twin in ((A, world.a), (B, world.b))},
        latency=latency_of(steps),
        failed_steps=failed,
        agrees=not found and hub_agrees and not parked and not brakes and not twice,
    )


def _differences(world: World) -> tuple[list[Difference], int]:
    """What differs without intent, and how many products are hidden in B because A deleted them."""
    found, hidden = [], 0
    for difference in compare_stores(world.a, world.b, channel_id=CHANNEL, limit=100_000):
        only_in_b = difference.source is None and not difference.path and difference.key.startswith("product ")
        if only_in_b and not _is_visible(world.b, difference.key.removeprefix("product ")):
            hidden += 1
        else:
            found.append(difference)
    return found, hidden


def _is_visible(twin: BigCommerceTwin, sku: str) -> bool:
    return twin.merchant.product(sku).product.is_visible


def _sort(difference: Difference) -> str:
    """Which sort of thing a difference is about."""
    whole = difference.key.partition(" ")[0]
    if whole != "product":
        return {"category": "categories", "brand": "brands"}[whole]
    collection = difference.path.partition("/")[0]
    return collection if collection in {"variants", "images"} else "products"


def _counts(twin: BigCommerceTwin) -> dict[str, int]:
    entries = twin.shop.entries.values()
    return {
        "products": len(entries),
        "variants": sum(len(entry.variants) for entry in entries if entry.has_choices),
        "images": sum(len(entry.images) for entry in entries),
        "categories": len(twin.shop.categories),
        "brands": len(twin.shop.brands),
    }


def _rows(world: World, found: Sequence[Difference], hidden: int, agree: dict[Kind, int]) -> list[Row]:
    here, there = _counts(world.a), _counts(world.b)
    there["products"] -= hidden
    wrong: dict[str, set[str]] = {}
    for difference in found:
        place = difference.path.split("/")[1] if difference.path.count("/") > 1 else ""
        wrong.setdefault(_sort(difference), set()).add(f"{difference.key} {place}")
    listed = {"products": Kind.PRODUCT, "categories": Kind.CATEGORY, "brands": Kind.BRAND}
    return [
        Row(
            thing=thing,
            in_a=here[thing],
            in_b=there[thing],
            differ=len(wrong.get(thing, ())),
            hub_agrees=agree.get(listed[thing]) if thing in listed else None,
        )
        for thing in here
    ]


def _calls(world: World, name: ConnectionName, twin: BigCommerceTwin) -> StoreCalls:
    purse = world.purses[name]
    log = twin.calls
    return StoreCalls(
        reads=log.reads, writes=log.writes, refused=log.by_status[429], left=purse.left, quota=purse.quota
    )


def latency_of(steps: Sequence[Step]) -> Latency:
    """Of the steps that a webhook told of and that measure the hub."""
    measured = sorted(step.latency_ms for step in steps if step.by_webhook and step.latency_ms is not None and step.ok)
    return Latency(count=len(measured), p50_ms=_percentile(measured, 0.5), p99_ms=_percentile(measured, 0.99))


def _percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of the values does not exceed."""
    return values[max(0, ceil(share * len(values)) - 1)] if values else None
