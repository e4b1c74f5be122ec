"""Measure and write down: ``python -m bench --size small|full [--only a,b,c,d,e]``. The last line is the verdict."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from bench import changes, door, latency, passes
from bench.gauges import load, machine
from bench.report import Report, Section, section_lines, verdict, write

RESULTS = Path(__file__).resolve().parent / "results"
Measures = Mapping[str, Callable[[], Awaitable[Section]]]

SIZES: Mapping[str, Measures] = {
    "small": {
        "a": changes.measure,
        "b": lambda: passes.measure(passes.Sizes(products=(1000, 5000), repeats=1, speed_products=1000)),
        "c": lambda: door.measure(door.DoorPlan(full_speed_s=1.0, turns=1, steady_s=4.0)),
        "d": lambda: latency.latency(latency.LatencyPlan(idle_changes=30, busy_s=5.0, kinds=["SQLite"])),
        "e": lambda: latency.recovery(latency.RecoveryPlan(kills=2)),
    },
    "full": {
        "a": changes.measure,
        "b": lambda: passes.measure(passes.Sizes(products=(1000, 10_000, 100_000))),
        "c": lambda: door.measure(door.DoorPlan(full_speed_s=4.0, turns=3, steady_s=60.0)),
        "d": lambda: latency.latency(latency.LatencyPlan(idle_changes=100, busy_s=60.0)),
        "e": lambda: latency.recovery(latency.RecoveryPlan(kills=7)),
    },
}


async def measured(measures: Measures, only: Sequence[str]) -> list[Section]:
    """The chosen measurements, one after the other."""
    sections = []
    for letter, measure in measures.items():
        if only and letter not in only:
            continue
        before, began = load(), time.monotonic()
        section = await measure()
        took_s = time.monotonic() - began
        section = msgspec.structs.replace(section, load_before=before, load_after=load(), took_s=took_s)
        print("\n".join(section_lines(section)), flush=True)
        sections.append(section)
    return sections


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 when every promised figure holds."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--only", default="", help="letters with commas between: a,b,c,d,e")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the two documents")
    told = parser.parse_args(arguments)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    only = [letter.strip() for letter in told.only.split(",") if letter.strip()]
    if unknown := set(only) - set(SIZES[told.size]):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    here, began = machine(), time.monotonic()
    sections = asyncio.run(measured(SIZES[told.size], only))
    report = Report(size=told.size, machine=here, sections=sections, took_s=time.monotonic() - began)
    for path in write(report, told.results):
        print(f"\nwritten: {path}")
    print(verdict(report))
    return 0 if all(must.holds for must in report.musts) else 1


if __name__ == "__main__":
    sys.exit(main())
