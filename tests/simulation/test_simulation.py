"""Some worlds of every sort in each test run; `make sim` runs as many as one likes."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest
import structlog

from tests.simulation.mutants import MUTANTS, QUIET, Mutant
from tests.simulation.run import run_seed
from tests.simulation.scenes import SORTS
from tests.simulation.virtual import run_virtually
from tests.simulation.world import World

ROOT = Path(__file__).resolve().parents[2]
SEEDS_OF_EACH_SORT = 4


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """These worlds are full of trouble, and the program tells all of it."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("sort", SORTS)
def test_whatever_happens_both_shops_agree_in_the_end(sort: str) -> None:
    for seed in range(SEEDS_OF_EACH_SORT):
        wrong, world = run_seed(seed, sort=sort)
        assert not wrong, f"`python -m tests.simulation.run --sort {sort} --from {seed} --seeds 1`: {world.scene}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_each_safety_rule_is_missed_when_it_is_gone(mutant: Mutant) -> None:
    seed, _ = mutant.first_failing()
    assert seed is not None, "nobody noticed"
    for healthy in range(seed + 1):
        wrong, _ = run_seed(healthy, scene=mutant.scene)
        assert not wrong, f"with all rules seed {healthy} fails, too"


def test_one_seed_is_one_world() -> None:
    """Byte for byte: otherwise a failing seed could not be looked into."""
    for sort in ("plain", "zombies", "wiped"):
        assert run_seed(5, sort=sort)[1].trace == run_seed(5, sort=sort)[1].trace


def test_a_world_does_not_depend_on_how_python_hashes() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", _TRACES],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1


_TRACES = """
import logging, structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
from tests.simulation.run import run_seed
for seed in range(4):
    print(run_seed(seed)[1].trace)
"""


def test_losing_power_at_any_commit_loses_nothing() -> None:
    scene = msgspec.structs.replace(QUIET, products=2, edits=4, span_s=8.0)
    for at in count():
        world = World(3, scene, cut_at=at)
        wrong = run_virtually(world.run())
        assert not wrong, f"cut at commit side {at}"
        if not world.was_cut:
            break
    assert at > 40, "the world is too small to prove anything"
