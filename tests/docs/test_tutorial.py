"""The tutorial works as it is written: every command is run, in order, and prints what the page shows."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks_of
from tests.docs.shell import free_ports, missing_lines, run_blocks

PORTS = ("9001", "9002", "8750")
LONGEST_S = 170.0


@pytest.mark.slow
def test_the_tutorial_can_be_followed_to_its_end(tmp_path: Path) -> None:
    blocks = [block for block in blocks_of(DOCS / "tutorial.md") if block.language in {"sh", "text"}]
    commands = [block for block in blocks if block.language == "sh"]
    assert commands
    printed = dict(zip(commands, run_blocks(commands, tmp_path, free_ports(PORTS), LONGEST_S), strict=False))
    wrong = {
        shown.name: lines
        for command, shown in pairwise(blocks)
        if command.language == "sh"
        and shown.language == "text"
        and (lines := missing_lines(shown.text, printed[command]))
    }
    assert wrong == {}, "\n".join(printed.values())
