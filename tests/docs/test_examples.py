"""Examples in the documentation work: Python is executed, configurations are read, shell blocks are run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from storeweave.app.config import read_config
from tests.docs.pages import ROOT, Block, blocks
from tests.docs.shell import environment

OF_ITS_OWN_TEST = "docs/tutorial.md"
KNOWN = {"python", "toml", "sh", "text", "mermaid", "ini", "json"}


def test_every_block_has_a_language_that_says_what_is_done_with_it() -> None:
    assert [block.name for language in KNOWN ^ {""} for block in blocks(language) if block.language not in KNOWN] == []


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.name)
def test_python_examples_run(block: Block) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=block.text,
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: block.name)
def test_configurations_can_be_read(block: Block, tmp_path: Path) -> None:
    for name in re.findall(r"\$\{file:([^}]+)\}", block.text):
        (tmp_path / name).write_text("a-secret-of-at-least-24-characters")
        (tmp_path / name).chmod(0o600)
    for name in re.findall(r'^env_file = "([^"]+)"', block.text, re.MULTILINE):
        (tmp_path / name).write_text("")
    env = dict.fromkeys(re.findall(r"\$\{env:([^}]+)\}", block.text), "a-secret-of-at-least-24-characters")
    config = read_config(block.text.encode(), tmp_path / "storeweave.toml", env)
    assert [fault.message for fault in config.warnings if "public address" not in fault.message] == []


@pytest.mark.parametrize(
    "block", [block for block in blocks("sh") if block.page != OF_ITS_OWN_TEST] or [None], ids=lambda b: b and b.name
)
def test_shell_examples_run(block: Block | None, tmp_path: Path) -> None:
    if block is None:
        pytest.skip("only the tutorial has shell blocks, and a test of its own")
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=tmp_path,
        env=environment(),
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
