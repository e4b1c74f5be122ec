"""Run many seeds: ``python -m tests.simulation.run --seeds 1000 --from 0``. The last line is the verdict."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from random import Random

import structlog

from storeweave.engine.safety import ALL_RULES, SafetyRules
from tests.simulation.scenes import Scene, scene_of
from tests.simulation.virtual import run_virtually
from tests.simulation.world import World


def run_seed(seed: int, *, scene: Scene | None = None, safety: SafetyRules = ALL_RULES) -> tuple[list[str], World]:
    """One world; what is wrong in it at the end, and the world for a closer look."""
    world = World(seed, scene or scene_of(Random(seed)), safety)
    return run_virtually(world.run()), world


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--trace", action="store_true", help="print what happened in each failing world")
    args = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation.run", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    started, bad = time.monotonic(), []
    for seed in range(args.first, args.first + args.seeds):
        wrong, world = run_seed(seed)
        if wrong:
            bad.append(seed)
            print(f"seed {seed}: {len(wrong)} wrong; {world.scene}")
            print("\n".join(f"    {line}" for line in wrong[:10]))
            if args.trace:
                print("\n".join(world.trace))
        done = seed - args.first + 1
        if done % 100 == 0:
            print(f"{done} of {args.seeds} seeds, {len(bad)} wrong, {time.monotonic() - started:.0f} s", flush=True)
    print(
        f"simulation: {args.seeds - len(bad)} of {args.seeds} seeds green"
        + (f"; failing seeds: {', '.join(map(str, bad[:20]))}" if bad else "")
        + f" ({time.monotonic() - started:.0f} s)"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
