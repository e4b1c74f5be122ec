"""(c) The webhook door: how many notices a second become durable, and how long a sender waits for the answer.

Against the barest ASGI app that commits each event: same machine, same server settings, same client, in turns.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench import children, databases
from bench.door_process import SECRET, DoorOrder
from bench.gauges import middle
from bench.load_client import LoadOrder, LoadResult
from bench.report import Cell, Must, Section, Table
from bench.stage import A
from storeweave.connectors.bigcommerce.twin import Token

LEAST_SHARE, SLOWEST_S, STEADY_PER_S = 0.5, 1.0, 500.0
HOW = (
    "Real sockets on loopback, one uvicorn process for the app, one for the client. 'full speed': 64 connections, each "
    "sends again as soon as it is answered; medians of turns. 'steady': 500/s from 64 connections, times counted from "
    "the moment at which a request was due. Ours verifies the signature, keeps the notice and marks the key; the bare "
    "app inserts the body and commits, with no check at all."
)


class DoorPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How long. ``kinds``: databases; None for all of this machine."""

    full_speed_s: float
    turns: int
    steady_s: float
    kinds: Sequence[str] | None = None


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on one database."""

    database: str
    ours: Sequence[LoadResult]
    bare: Sequence[LoadResult]
    steady: LoadResult | None

    @property
    def share(self) -> float:
        """Our rate by the bare app's."""
        return middle([r.per_s for r in self.ours]) / max(middle([r.per_s for r in self.bare]), 1e-9)


async def measure(plan: DoorPlan) -> Section:
    """Every database of this machine."""
    doors = [await _door(kind, plan) for kind in plan.kinds or databases.kinds()]
    return Section(
        letter="c",
        title="The webhook door",
        how=HOW,
        tables=[_rates(doors), _steady(doors, plan)],
        # A file in memory is not durable: it shows what the programs cost, and promises nothing.
        musts=[must for door in doors if door.steady is not None for must in _musts(door, door.steady, plan)],
    )


async def _door(kind: str, plan: DoorPlan) -> Door:
    ours, bare = [], []
    for _ in range(plan.turns):
        bare.append(await _measured(kind, "bare", plan.full_speed_s))
        ours.append(await _measured(kind, "ours", plan.full_speed_s))
    steady = None
    if kind != databases.MEMORY:
        steady = await _measured(kind, "ours", plan.steady_s, per_s=STEADY_PER_S)
    return Door(database=kind, ours=ours, bare=bare, steady=steady)


async def _measured(kind: str, app: str, for_s: float, *, per_s: float = 0.0) -> LoadResult:
    with databases.fresh(kind) as url:
        async with children.serving("bench.door_process", DoorOrder(app=app, database=url)) as line:
            order = LoadOrder(
                port=int(line),
                path=f"/webhooks/{A}/{SECRET}",
                secret=Token().client_secret,
                for_s=for_s,
                per_s=per_s,
            )
            return msgspec.json.decode(await children.run("bench.load_client", order), type=LoadResult)


def _rates(doors: Sequence[Door]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for door in doors:
        for name, results in (("ours", door.ours), ("bare", door.bare)):
            rows.append(
                (
                    f"{door.database}, {name}",
                    middle([r.per_s for r in results]),
                    *_times_ms(results),
                    sum(r.refused for r in results),
                    f"{door.share:.2f}" if name == "ours" else "1",
                )
            )
    columns = ("full speed, 64 connections", "acknowledged/s", "p50 ms", "p99 ms", "p99.9 ms", "failed", "ratio")
    return Table(caption="Full speed", columns=columns, rows=rows)


def _steady(doors: Sequence[Door], plan: DoorPlan) -> Table:
    return Table(
        caption=f"Steady, {STEADY_PER_S:g}/s for {plan.steady_s:g} s",
        columns=("", "acknowledged/s", "p50 ms", "p99 ms", "p99.9 ms", "slowest ms", "failed"),
        rows=[
            (
                f"{door.database}, ours",
                door.steady.per_s,
                *_times_ms([door.steady]),
                1000 * door.steady.most_s,
                door.steady.refused,
            )
            for door in doors
            if door.steady is not None
        ],
    )


def _times_ms(results: Sequence[LoadResult]) -> tuple[float, float, float]:
    """Medians of p50, p99 and p99.9."""
    return (
        1000 * middle([r.p50_s for r in results]),
        1000 * middle([r.p99_s for r in results]),
        1000 * middle([r.p999_s for r in results]),
    )


def _musts(door: Door, steady: LoadResult, plan: DoorPlan) -> list[Must]:
    refused = sum(r.refused for r in [*door.ours, steady])
    return [
        Must(
            claim=f"door on {door.database}: at least {LEAST_SHARE} of the bare app's rate",
            figure=f"{door.share:.2f}",
            holds=door.share >= LEAST_SHARE and not refused,
        ),
        Must(
            claim=f"door on {door.database}: p99.9 under {SLOWEST_S:g} s at {STEADY_PER_S:g}/s for {plan.steady_s:g} s",
            figure=f"{1000 * steady.p999_s:.0f} ms",
            holds=steady.p999_s < SLOWEST_S and not refused,
        ),
    ]
