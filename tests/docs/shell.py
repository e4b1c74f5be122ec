"""Runs the shell blocks of a page one after another in one shell, as a reader would: real processes, free ports."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.docs.pages import Block

END = "---8<--- end of block"


def environment() -> dict[str, str]:
    """This machine's, with our own program first, and nothing that would change what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOREWEAVE_", "COLUMNS"))}
    folder = str(Path(sys.executable).parent)
    return {**kept, "PATH": f"{folder}{os.pathsep}{kept.get('PATH', '')}", "NO_COLOR": "1", "PYTHONWARNINGS": "default"}


def free_ports(wanted: Sequence[str]) -> dict[str, str]:
    """A free port for each port of the text. They are found together, so that none is given twice."""
    held = [socket.socket() for _ in wanted]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return {port: str(one.getsockname()[1]) for port, one in zip(wanted, held, strict=True)}
    finally:
        for one in held:
            one.close()


def replaced(text: str, ports: Mapping[str, str]) -> str:
    """The text with other ports."""
    return re.sub(r"\b(" + "|".join(ports) + r")\b", lambda found: ports[found[0]], text)


def run_blocks(blocks: Sequence[Block], folder: Path, ports: Mapping[str, str], timeout_s: float) -> list[str]:
    """What each ``sh`` block printed. Fails with the output of all when one fails; ends whatever they started."""
    script = ["set -eu"]
    for number, block in enumerate(blocks):
        script += [replaced(block.text, ports), f"echo; echo '{END} {number}'"]
    log = folder / "everything.log"  # a file: what runs in the background would keep a pipe open
    with log.open("wb") as file:
        shell = subprocess.Popen(
            ["bash", "-c", "\n".join(script)],
            cwd=folder,
            env=environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            shell.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            shell.kill()
            shell.wait()
        finally:
            _end_all(shell.pid)
    printed = re.split(rf"\n{re.escape(END)} \d+\n", log.read_text(errors="replace"))
    if shell.returncode != 0:
        at = min(len(printed), len(blocks)) - 1
        raise AssertionError(f"{blocks[at].name} failed ({shell.returncode}):\n{blocks[at].text}\n{printed[-1]}")
    return printed


def _end_all(group: int) -> None:
    """Whatever the blocks left running in the background."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def missing_lines(expected: str, printed: str) -> list[str]:
    """Lines that should have been printed, in this order, and were not; ``...`` stands for anything."""
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    at, missing = 0, []
    for line in expected.splitlines():
        wanted = " ".join(line.split())
        if wanted in {"", "..."}:
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("...")))
        found = next((n for n in range(at, len(lines)) if pattern.search(lines[n])), None)
        if found is None:
            missing.append(line)
        else:
            at = found + 1
    return missing
