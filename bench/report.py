"""What a measurement hands in, and how it is written down: JSON for machines, a Markdown table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

Cell = str | int | float


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows under a caption."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


class Must(msgspec.Struct, frozen=True, kw_only=True):
    """One figure that was promised, and what it is."""

    claim: str
    figure: str
    holds: bool


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement."""

    letter: str
    title: str
    how: str
    tables: Sequence[Table] = ()
    musts: Sequence[Must] = ()
    load_before: float = 0.0
    load_after: float = 0.0
    took_s: float = 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    size: str
    machine: Mapping[str, Any]
    sections: Sequence[Section]
    took_s: float

    @property
    def musts(self) -> list[Must]:
        return [must for section in self.sections for must in section.musts]


def verdict(report: Report) -> str:
    """The last line: which promises hold."""
    broken = [must for must in report.musts if not must.holds]
    held = len(report.musts) - len(broken)
    if not broken:
        return f"PASS: all {held} promised figures hold"
    names = "; ".join(f"{must.claim}: {must.figure}" for must in broken)
    return f"FAIL: {held} of {len(report.musts)} promised figures hold; not: {names}"


def write(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write both documents; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{report.size}-{'-'.join(section.letter for section in report.sections)}"
    if len(report.sections) > 4:
        name = report.size
    as_json, as_text = folder / f"{name}.json", folder / f"{name}.md"
    as_json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    as_text.write_text("\n".join(markdown(report)) + "\n")
    return as_json, as_text


def markdown(report: Report) -> Iterator[str]:
    """The report, for people."""
    yield f"# Measured: size {report.size}"
    yield ""
    yield ". ".join(f"{name}: {value}" for name, value in report.machine.items()) + f". Took {report.took_s:.0f} s."
    for section in report.sections:
        yield from section_lines(section)
    yield ""
    yield "## What was promised"
    yield ""
    yield from _rows(("promise", "measured", "holds"), [(m.claim, m.figure, _yes(m.holds)) for m in report.musts])
    yield ""
    yield verdict(report)


def section_lines(section: Section) -> Iterator[str]:
    """One measurement, for people."""
    yield ""
    yield f"## ({section.letter}) {section.title}"
    yield ""
    yield f"{section.how} Load average {section.load_before:.1f} before, {section.load_after:.1f} after."
    for table in section.tables:
        yield ""
        yield f"**{table.caption}**"
        yield ""
        yield from _rows(table.columns, table.rows)


def _rows(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "|".join("---" if at == 0 else "---:" for at in range(len(columns))) + "|"
    for row in rows:
        yield "| " + " | ".join(_cell(cell) for cell in row) + " |"


def _cell(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _yes(holds: bool) -> str:
    return "yes" if holds else "**no**"
