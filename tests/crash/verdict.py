"""The verdict on a crash run: what was compared, what was measured, and in one line whether anything was lost."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tests.crash.oracle import differences, doubles
from tests.crash.rig import CLOCK, Hub, Store

CAUGHT_UP_S = 5.0
SHOWN = 15
STRAY_S = 0.3
"""No life makes its first call sooner after its start."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run. Times are seconds."""

    kills: int
    how: Mapping[str, int]
    keys: int
    products: int
    edits: int
    acknowledged: int
    calls: int
    faulty: int
    faults: Mapping[str, int]
    differences: Sequence[str]
    doubles: Sequence[str]
    lost: Sequence[str]  # products with an acknowledged webhook whose newest price never arrived
    parked: Sequence[str]
    working_again_s: Sequence[float]  # from each start to the first call
    writing_again_s: Sequence[float]  # from each start to the first write
    recovered_s: Sequence[float]  # acknowledged before a kill: from the start after it to the written price
    caught_up_s: float
    idle_s: float
    took_s: float

    @property
    def passed(self) -> bool:
        return not any(self.wrongs()) and self.caught_up_s <= CAUGHT_UP_S

    def wrongs(self) -> list[str]:
        """What should not be, whatever the time it took; a few of each sort."""
        lines = []
        for what, found in (
            ("difference", self.differences),
            ("made twice", self.doubles),
            ("lost", self.lost),
            ("parked", self.parked),
        ):
            lines += [f"{what}: {text}" for text in found[:SHOWN]]
            if len(found) > SHOWN:
                lines.append(f"{what}: and {len(found) - SHOWN} more")
        return lines

    def lines(self) -> Iterator[str]:
        """For people; the last one is the verdict."""
        yield from self.wrongs()
        yield f"killed: {_counted(self.how)}"
        yield f"faulty calls: {_counted(self.faults)}"
        for name, seconds in (
            ("from a start to the first call, under fire", self.working_again_s),
            ("from a start to the first write, under fire", self.writing_again_s),
            ("acknowledged before a kill: from the next start to written, under fire", self.recovered_s),
        ):
            yield f"{name}: p50 {quantile(seconds, 0.5):.2f} s, p99 {quantile(seconds, 0.99):.2f} s ({len(seconds)})"
        yield f"last looks over {self.idle_s:.2f} s after the last start"
        yield (
            f"{'PASS' if self.passed else 'FAIL'}: {self.kills} kills, {self.keys} cold keys, {self.products} products "
            f"at the end, {self.edits} edits, {self.acknowledged} webhooks acknowledged, {self.calls} calls, "
            f"{100 * self.faulty / max(self.calls, 1):.1f} % faulty: {len(self.differences)} differences, "
            f"{len(self.doubles)} made twice, {len(self.lost)} acknowledged edits lost, {len(self.parked)} parked, "
            f"caught up {self.caught_up_s:.2f} s after the last start (limit {CAUGHT_UP_S:g} s); {self.took_s:.0f} s"
        )


async def judged(
    a: Store, b: Store, hub: Hub, *, kills: int, how: Mapping[str, int], keys: int, edits: int, began_at: float
) -> Verdict:
    """Look at everything once nobody has anything left to do."""
    idle_at, restarted_at = CLOCK.monotonic(), hub.started_at[-1]
    source, destination = await a.ask("state"), await b.ask("state")
    ours, theirs = await a.ask("diary"), await b.ask("diary")
    counts = [await store.ask("counts") for store in (a, b)]
    status = await hub.status()
    faults: dict[str, int] = {}
    for count in counts:
        for name, number in count["faults"].items():
            faults[name] = faults.get(name, 0) + number
    prices = theirs["prices"]
    acked_at: dict[str, list[float]] = {}
    for at, sku in ours["acks"]:
        acked_at.setdefault(sku, []).append(float(at))
    return Verdict(
        kills=kills,
        how=how,
        keys=keys,
        products=len(destination["products"]),
        edits=edits,
        acknowledged=len(ours["acks"]),
        calls=sum(count["calls"] for count in counts),
        faulty=sum(faults.values()),
        faults=faults,
        differences=differences(source, destination),
        doubles=doubles(destination, await b.ask("doubles")),
        lost=[f"{p['sku']} at {p['price']}" for p in prices if p["met_at"] is None and p["sku"] in acked_at],
        parked=[*status["causes"], *status["brakes"]],
        working_again_s=_since_start(hub.started_at, sorted(map(float, [*ours["calls"], *theirs["calls"]]))),
        writing_again_s=_since_start(hub.started_at, [float(at) for at in theirs["writes"]]),
        recovered_s=_recoveries(prices, acked_at, hub.started_at),
        caught_up_s=max([float(at) - restarted_at for at in theirs["writes"][-1:]] + [0.0]),
        idle_s=idle_at - restarted_at,
        took_s=CLOCK.monotonic() - began_at,
    )


def _since_start(started_at: Sequence[float], calls_at: Sequence[float]) -> list[float]:
    """For each life that came so far: from its start to its first call. ``calls_at`` ascends."""
    found = []
    for start, end in zip(started_at, [*started_at[1:], float("inf")], strict=True):
        # What the life before had sent may arrive when this one has begun.
        at = bisect_right(calls_at, start + STRAY_S)
        if at < len(calls_at) and calls_at[at] < end:
            found.append(calls_at[at] - start)
    return sorted(found)


def _recoveries(
    prices: Sequence[Mapping[str, Any]], acked_at: Mapping[str, Sequence[float]], started_at: Sequence[float]
) -> list[float]:
    """Of those prices that were acknowledged by one life and written by a later one: the time the last one took."""
    found = []
    for price in prices:
        acks = [at for at in acked_at.get(price["sku"], ()) if at >= float(price["since"]) - 0.05]
        if price["met_at"] is None or not acks:
            continue
        met_at = float(price["met_at"])
        start = started_at[bisect_right(started_at, met_at) - 1]
        if min(acks) < start:
            found.append(met_at - start)
    return sorted(found)


def quantile(sorted_seconds: Sequence[float], share: float) -> float:
    if not sorted_seconds:
        return 0.0
    return sorted_seconds[min(len(sorted_seconds) - 1, int(share * len(sorted_seconds)))]


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(numbers.items())) or "none"
