"""Run many seeds: ``python -m tests.simulation.run --seeds 1000 --from 0``. The last line is the verdict.

``--mutants`` removes each safety rule alone instead and tells which seed notices. The same seed is the same world, byte
for byte, on any machine.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from random import Random

import structlog

from storeweave.engine.safety import ALL_RULES, SafetyRules
from tests.simulation.mutants import MUTANTS
from tests.simulation.scenes import SORTS, Scene, scene_of
from tests.simulation.virtual import run_virtually
from tests.simulation.world import World


def run_seed(
    seed: int, *, scene: Scene | None = None, safety: SafetyRules = ALL_RULES, sort: str | None = None
) -> tuple[list[str], World]:
    """One world; what is wrong in it at the end, and the world for a closer look."""
    world = World(seed, scene or scene_of(Random(seed), sort), safety)
    return run_virtually(world.run()), world


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--sort", choices=list(SORTS), help="only worlds of this sort")
    parser.add_argument("--trace", action="store_true", help="print what happened in each failing world")
    parser.add_argument("--mutants", action="store_true", help="remove each safety rule alone")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return run_mutants() if args.mutants else run_seeds(args.first, args.seeds, args.sort, trace=args.trace)


def run_seeds(first: int, seeds: int, sort: str | None, *, trace: bool) -> int:
    """Every seed must be green."""
    started, bad = time.monotonic(), []
    for seed in range(first, first + seeds):
        wrong, world = run_seed(seed, sort=sort)
        if wrong:
            bad.append(seed)
            print(f"seed {seed}: {len(wrong)} wrong; {world.scene}")
            print("\n".join(f"    {line}" for line in wrong[:10]))
            if trace:
                print("\n".join(world.trace))
        done = seed - first + 1
        if done % 100 == 0:
            print(f"{done} of {seeds} seeds, {len(bad)} wrong, {time.monotonic() - started:.0f} s", flush=True)
    print(
        f"simulation: {seeds - len(bad)} of {seeds} seeds green"
        + (f"; failing seeds: {', '.join(map(str, bad[:20]))}" if bad else "")
        + f" ({time.monotonic() - started:.0f} s)"
    )
    return 1 if bad else 0


def run_mutants() -> int:
    """Every removed rule must be noticed, and nothing may be wrong in the same worlds with all rules."""
    print(f"{'rule':52} {'in':4} {'seed':>4}  what is noticed")
    noticed = 0
    for mutant in MUTANTS:
        seed, why = mutant.first_failing()
        last = mutant.seeds - 1 if seed is None else seed
        ill = [s for s in range(last + 1) if run_seed(s, scene=mutant.scene)[0]]
        if seed is not None and not ill:
            noticed += 1
        shown = why if not ill else f"but with all rules seeds {ill} fail, too"
        print(f"{mutant.rule:52} {mutant.section:4} {'-' if seed is None else seed:>4}  {shown}", flush=True)
    print(f"mutants: {noticed} of {len(MUTANTS)} removed rules noticed")
    return 0 if noticed == len(MUTANTS) else 1


if __name__ == "__main__":
    sys.exit(main())
