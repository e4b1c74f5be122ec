"""The pages of the documentation and the blocks in them, for the tests that hold them to the code.

The language of a fenced block says what is done with it: ``python`` is executed, ``toml`` is read as a configuration,
``sh`` is run, ``text`` behind ``sh`` is what that must print (``...`` stands for anything). Indented blocks are shown
and not run, because they need an account, a server or root.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```[ ]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """Where it is."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """All pages: the README, the guide for contributors, and docs."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    """As it is called in messages."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        indent, language, body = found.groups()
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        yield Block(name_of(page), text.count("\n", 0, found.start()) + 1, language, "\n".join(lines) + "\n")


def blocks(language: str) -> list[Block]:
    """All blocks of a language."""
    return [block for page in pages() for block in blocks_of(page) if block.language == language]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def all_text() -> str:
    """Everything that the documentation says."""
    return "\n".join(page.read_text() for page in pages())
