"""Kill -9 while it works: nothing is lost, and a hub that answers before its commit is found out.

The long version is ``make crash KILLS=200``.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.crash.kill_run import Plan, run

pytestmark = pytest.mark.slow


async def test_a_program_that_is_killed_again_and_again_loses_nothing_and_makes_nothing_twice(tmp_path: Path) -> None:
    verdict = await run(Plan(kills=6, keys=200, life_s=1.5, limit_s=150.0), tmp_path)
    assert verdict.wrongs() == []
    assert verdict.faulty > 0
    assert verdict.acknowledged > 0


async def test_a_hub_that_answers_before_its_commit_is_found_out(tmp_path: Path) -> None:
    honest = Plan(kills=4, keys=80, faults=0.0, life_s=1.0, strict=True, limit_s=150.0)
    plans = honest, msgspec.structs.replace(honest, mutant="ack-before-commit")
    folders = [tmp_path / f"hub{plan.mutant}" for plan in plans]
    for folder in folders:
        folder.mkdir()
    verdicts = await asyncio.gather(*(run(plan, folder) for plan, folder in zip(plans, folders, strict=True)))
    assert [(bool(v.lost), bool(v.differences)) for v in verdicts] == [(False, False), (True, True)]
