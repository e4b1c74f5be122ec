"""``storeweave demo``: its options, its three chapters, its verdict and exit code.

Exit code 0: every step arrived and the stores agree 100 %; 1: they do not; 2: wrong options; 130: interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TextIO

import msgspec
import structlog

from storeweave import __version__
from storeweave.app.demo.goods import FEWEST_PRODUCTS, stock_up
from storeweave.app.demo.life import ordinary_life
from storeweave.app.demo.live import LiveView, can_be_live
from storeweave.app.demo.loading import first_load
from storeweave.app.demo.report import Report, agreement_report
from storeweave.app.demo.staying import Houses, stay
from storeweave.app.demo.steps import Patience, Step, play
from storeweave.app.demo.troubles import troubled_life
from storeweave.app.demo.view import CHAPTERS, Loading, PlainView, View
from storeweave.app.demo.world import Ground, Through, World, open_world
from storeweave.ports.clock import Clock, SystemClock

PRODUCTS, SEED = 300, 1
PAUSE_S = 0.45
"""Between two steps, so that a person can read; ``--speed`` shortens it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a person may choose. ``speed`` None: 1 on a live view, no pauses otherwise."""

    products: int = PRODUCTS
    seed: int = SEED
    speed: float | None = None
    once: bool = False
    as_json: bool = False
    stay: bool = False


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--json`` writes."""

    version: str
    products: int
    seed: int
    load: Loading
    steps: tuple[Step, ...]
    agreement: Report
    verdict: str  # "agree" or "disagree"
    exit_code: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the arguments of a command line; the exit code."""
    return run(_parsed(arguments))


def run(choices: Choices) -> int:
    """Run the demo on this process's terminal; the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="storeweave-demo-"))
    code = 1
    with (folder / "hub.log").open("w", encoding="utf-8") as log:
        _log_to(log)
        view = _view_for(choices)
        try:
            code = asyncio.run(_run(choices, view, folder))
        except KeyboardInterrupt:
            code = 130
        finally:
            view.close()
    if code == 1:
        sys.stderr.write(f"The database and the log of this run are kept in {folder}\n")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return code


async def _run(choices: Choices, view: View, folder: Path) -> int:
    clock = SystemClock()
    pause_s = 0.0 if choices.speed is None and not isinstance(view, LiveView) else PAUSE_S / (choices.speed or 1.0)
    houses = Houses() if choices.stay else None
    ground = Ground(seed=choices.seed, origins=houses.origins if houses else ("", ""))

    async def after(world: World) -> None:
        if houses is not None:
            await stay(world, houses, view.says)

    document = await demo(choices, view, folder, ground, clock=clock, pause_s=pause_s, after=after)
    if choices.as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    return document.exit_code


async def _nothing_more(_: World) -> None:
    return None


async def demo(
    choices: Choices,
    view: View,
    folder: Path,
    ground: Ground,
    *,
    clock: Clock,
    pause_s: float = 0.0,
    patience: Patience = Patience(),  # noqa: B008  a frozen value
    through: Through = lambda carrier: carrier,
    after: Callable[[World], Awaitable[None]] = _nothing_more,
) -> Document:
    """The three chapters. ``through`` stands between hub and stores; ``after`` has the world before it ends."""
    async with open_world(folder, ground, clock=clock, through=through) as world:
        stock_up(world.a, choices.products, Random(choices.seed))
        work = asyncio.create_task(world.work(), name="world")
        story = asyncio.create_task(_story(choices, view, world, pause_s, patience, after), name="story")
        try:
            await asyncio.wait((work, story), return_when=asyncio.FIRST_COMPLETED)
            if not story.done():
                work.result()  # it never ends by itself: this raises why it did
            return await story
        finally:
            for task in (story, work):
                task.cancel()
            await asyncio.gather(story, work, return_exceptions=True)


async def _story(
    choices: Choices,
    view: View,
    world: World,
    pause_s: float,
    patience: Patience,
    after: Callable[[World], Awaitable[None]],
) -> Document:
    view.opening(choices.products)
    view.chapter(CHAPTERS[0])
    await world.pair()
    load = await first_load(world, view.loading, patience.load_s)
    steps: list[Step] = []
    if load.done:
        view.chapter(CHAPTERS[1])
        for life in (ordinary_life, troubled_life):
            for scene in life(world):
                view.begins(scene)
                step = await play(world, len(steps) + 1, scene, patience)
                steps.append(step)
                view.ended(step)
                await world.clock.sleep(pause_s)
    view.chapter(CHAPTERS[2])
    report = await agreement_report(world, steps)
    view.report(report)
    good = load.done and report.agrees and not report.failed_steps
    document = Document(
        version=__version__,
        products=choices.products,
        seed=choices.seed,
        load=load,
        steps=tuple(steps),
        agreement=report,
        verdict="agree" if good else "disagree",
        exit_code=0 if good else 1,
    )
    await after(world)
    return document


def _view_for(choices: Choices) -> View:
    if choices.as_json:
        return PlainView(sys.stderr)
    if choices.once or not can_be_live():
        return PlainView(sys.stdout)
    return LiveView()


def _log_to(stream: TextIO) -> None:
    """The hub's log goes to a file: the screen belongs to the story."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )


def _parsed(arguments: Sequence[str] | None) -> Choices:
    parser = argparse.ArgumentParser(
        prog="storeweave demo",
        description="Two twin stores come to agreement, and stay there through a minute of life.",
    )
    parser.add_argument("--products", type=int, default=PRODUCTS, help=f"in store A (default {PRODUCTS})")
    parser.add_argument("--seed", type=int, default=SEED, help="another catalogue (default 1)")
    parser.add_argument("--speed", type=float, help="shortens the pauses between steps; latencies stay real")
    parser.add_argument("--once", action="store_true", help="no live view: lines, then the end")
    parser.add_argument("--json", dest="as_json", action="store_true", help="one JSON document on stdout at the end")
    parser.add_argument("--stay", action="store_true", help="keep both stores running afterwards, until Ctrl-C")
    found = parser.parse_args(arguments)
    choices = Choices(**vars(found))
    if choices.products < FEWEST_PRODUCTS:
        parser.error(f"--products must be at least {FEWEST_PRODUCTS}: the story needs them")
    if choices.speed is not None and choices.speed <= 0:
        parser.error("--speed must be more than 0")
    return choices
