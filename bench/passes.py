"""(b) First loads and passes in which nothing has changed, at growing sizes; and the engine's own speed.

The stores run in processes of their own and the hub in another, so that its memory and processor time are its own.
Each pass is a new process on the database that the first load left behind.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path

import msgspec

from bench import children
from bench.gauges import middle
from bench.pass_process import PassOrder, PassResult
from bench.report import Must, Section, Table
from bench.stage import FLOW, open_stage
from storeweave.connectors.bigcommerce.twin import Figures
from storeweave.model.kinds import Key, Kind
from tests.crash.rig import stores
from tests.crash.twin_process import TwinOrder

PAGE = 250
PLANNED_PER_S, CREATED_PER_S = 1000, 300
MOST_MEMORY, MOST_TIME = 1.5, 1.3
LEAST_TO_COMPARE = 10_000
HOW = (
    "Catalogues with 1 to some hundred variants (45 % of the products have options) and 0.7 images per product. Two "
    "store processes without limits, over HTTP on loopback; the hub alone in a third on SQLite. 'unchanged pass': both "
    "listings are compared with what was agreed, in a new process. Memory is the process' peak."
)


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How large. ``repeats``: passes of which the median counts."""

    products: Sequence[int]
    repeats: int = 3
    speed_products: int = 2000


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One size: the first load, the passes after it, and what the passes asked of the stores."""

    products: int
    records: int
    first: PassResult
    passes: Sequence[PassResult]
    writes: int
    reads: Mapping[str, int]
    most_reads: int

    @property
    def pass_us(self) -> float:
        """Wall time per record of an unchanged pass; both listings count."""
        return middle([p.took_s for p in self.passes]) * 1e6 / self.records


async def measure(sizes: Sizes) -> Section:
    """All sizes, the smallest first, then the engine alone."""
    loads = [await _load(products, sizes.repeats) for products in sizes.products]
    speed = await _speed(sizes.speed_products)
    return Section(
        letter="b",
        title="First load, unchanged passes, and how they grow",
        how=HOW,
        tables=[_loads_table(loads), _passes_table(loads), _speed_table(speed)],
        musts=[*_pass_musts(loads), *_growth_musts(loads), *_speed_musts(speed)],
    )


async def _load(products: int, repeats: int) -> Load:
    with tempfile.TemporaryDirectory(prefix="storeweave-bench-") as name:
        folder = Path(name)
        a_order = TwinOrder(store_hash="a", products=products)
        b_order = TwinOrder(store_hash="b", first_id=10_000_000)
        async with stores(a_order, b_order, folder=folder) as (a, b):
            order = PassOrder(database=f"sqlite:///{folder / 'hub.db'}", a_url=a.url, b_url=b.url)
            first = await _pass(order)
            passes, reads, writes = [], {}, 0
            for _ in range(repeats):
                for store in (a, b):
                    await store.tell("calls/reset", {})
                passes.append(await _pass(msgspec.structs.replace(order, both=True)))
                counts = {store.name: await store.ask("calls") for store in (a, b)}
                reads = {name: _listing_reads(count) for name, count in counts.items()}
                writes += sum(count["writes"] for count in counts.values())
            records = list(first.records.values())
    return Load(
        products=products,
        records=sum(records),
        first=first,
        passes=passes,
        writes=writes,
        reads=reads,
        most_reads=sum(math.ceil(number / PAGE) for number in records),
    )


async def _pass(order: PassOrder) -> PassResult:
    return msgspec.json.decode(await children.run("bench.pass_process", order), type=PassResult)


def _listing_reads(count: Mapping[str, Mapping[str, int]]) -> int:
    """Reads of the catalogue, without the one that belongs to the check of the account when a process starts."""
    routes = count["by_route"]
    catalogue = sum(number for route, number in routes.items() if route.startswith("GET /v3/catalog/"))
    return catalogue - routes.get("GET /v2/store", 0)


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Products per second of time, and of the process' own processor time, which a busy machine does not spoil."""

    per_s: float
    per_cpu_s: float


async def _clocked(products: int, work: Awaitable[object]) -> Rate:
    began, cpu = time.perf_counter(), time.process_time()
    await work
    return Rate(
        per_s=products / (time.perf_counter() - began),
        per_cpu_s=products / (time.process_time() - cpu),
    )


async def _speed(products: int) -> dict[str, Rate]:
    """Of the engine against stores in its own process."""
    figures = Figures(products=products, exact_variants=3, giants=False, mean_images=0)
    with tempfile.TemporaryDirectory(prefix="storeweave-bench-") as folder:
        async with open_stage(figures, Path(folder)) as stage:
            keys = [Key(str(number)) for number in stage.a.shop.entries]

            async def plan() -> None:
                for at in range(0, len(keys), PAGE):
                    await stage.hub.preview(FLOW, Kind.PRODUCT, keys[at : at + PAGE])

            async def create() -> None:
                await stage.hub.full(FLOW)
                await stage.hub.idle()

            onto_empty = _median([await _clocked(products, plan()) for _ in range(3)])
            created = await _clocked(products, create())
            onto_equal = _median([await _clocked(products, plan()) for _ in range(3)])
    return {"planned, empty destination": onto_empty, "planned, equal destination": onto_equal, "created": created}


def _median(rates: Sequence[Rate]) -> Rate:
    return Rate(per_s=middle([r.per_s for r in rates]), per_cpu_s=middle([r.per_cpu_s for r in rates]))


def _loads_table(loads: Sequence[Load]) -> Table:
    return Table(
        caption="First load (nothing there yet)",
        columns=(
            "products",
            "products/s",
            "hub CPU µs per product",
            "peak MB",
            "of which at start",
            "peak against the size before",
            "parked",
        ),
        rows=[
            (
                load.products,
                load.products / load.first.took_s,
                load.first.cpu_s * 1e6 / load.products,
                load.first.peak_mb,
                load.first.start_mb,
                load.first.peak_mb / before.first.peak_mb,
                load.first.parked,
            )
            for before, load in zip([loads[0], *loads], loads, strict=False)
        ],
    )


def _passes_table(loads: Sequence[Load]) -> Table:
    return Table(
        caption="Unchanged pass over both stores",
        columns=(
            "products",
            "records per store",
            "products/s",
            "µs per record",
            "hub CPU µs per record",
            "peak MB",
            "writes",
            "reads A",
            "reads B",
            "pages there are",
        ),
        rows=[
            (
                load.products,
                load.records,
                load.products / middle([p.took_s for p in load.passes]),
                load.pass_us,
                middle([p.cpu_s for p in load.passes]) * 1e6 / load.records,
                max(p.peak_mb for p in load.passes),
                load.writes,
                load.reads["a"],
                load.reads["b"],
                load.most_reads,
            )
            for load in loads
        ],
    )


def _speed_table(speed: Mapping[str, Rate]) -> Table:
    return Table(
        caption="The engine alone: stores in the same process, 3 variants per product",
        columns=("", "products/s", "products per second of CPU"),
        rows=[(name, rate.per_s, rate.per_cpu_s) for name, rate in speed.items()],
    )


def _pass_musts(loads: Sequence[Load]) -> list[Must]:
    largest = loads[-1]
    most = math.floor(largest.most_reads * 1.01)
    return [
        Must(
            claim=f"unchanged pass of {largest.products:,}: 0 writes",
            figure=f"{largest.writes}",
            holds=not largest.writes,
        ),
        Must(
            claim=f"unchanged pass of {largest.products:,}: at most {most} reads per store (pages + 1 %)",
            figure=", ".join(f"{name.upper()} {number}" for name, number in largest.reads.items()),
            holds=max(largest.reads.values()) <= most,
        ),
    ]


def _growth_musts(loads: Sequence[Load]) -> list[Must]:
    """The largest against the second largest: ten times as much, in a full run. Passes of a second say nothing."""
    if len(loads) < 2 or loads[-2].products < LEAST_TO_COMPARE:
        return []
    smaller, larger = loads[-2:]
    sizes = f"{larger.products:,} against {smaller.products:,}"
    passes = max(p.peak_mb for p in larger.passes) / max(p.peak_mb for p in smaller.passes)
    times = larger.pass_us / smaller.pass_us
    return [
        Must(
            claim=f"peak memory of a pass, {sizes}: at most {MOST_MEMORY}",
            figure=f"{passes:.2f}",
            holds=passes <= MOST_MEMORY,
        ),
        Must(
            claim=f"time per record of a pass, {sizes}: at most {MOST_TIME}",
            figure=f"{times:.2f}",
            holds=times <= MOST_TIME,
        ),
    ]


def _speed_musts(speed: Mapping[str, Rate]) -> list[Must]:
    return [
        Must(
            claim=f"{name}: at least {least:,} products/s",
            figure=f"{rate.per_s:,.0f}",
            holds=rate.per_s >= least,
        )
        for name, rate in speed.items()
        for least in (CREATED_PER_S if name == "created" else PLANNED_PER_S,)
    ]
