"""Gathers the fragments of changelog.d/ into CHANGELOG.md, and checks that each can be gathered.

A fragment is one small file, `<words-with-dashes>.<kind>.md`, so that two changes never fight over the same line.
What a fragment should say is in changelog.d/README.md.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADINGS: Mapping[str, str] = {
    "security": "Security",
    "removed": "Removed",
    "changed": "Changed",
    "added": "Added",
    "fixed": "Fixed",
}
LONGEST = 400

_NAME = re.compile(rf"[a-z0-9]+(?:-[a-z0-9]+)*\.(?:{'|'.join(HEADINGS)})\.md")


def find_fragments(folder: Path) -> list[Path]:
    """List the fragments by name; README.md explains them and is none."""
    return sorted(path for path in folder.iterdir() if path.name != "README.md" and not path.name.startswith("."))


def find_faults(fragments: Sequence[Path]) -> list[str]:
    """Say which fragments cannot be gathered, and what to do about each."""
    faults = []
    for path in fragments:
        text = path.read_text().strip()
        if not _NAME.fullmatch(path.name):
            faults.append(f"{path.name}: name it <words-with-dashes>.<{'|'.join(HEADINGS)}>.md")
        if not text:
            faults.append(f"{path.name}: says nothing")
        elif len(text) > LONGEST:
            faults.append(f"{path.name}: {len(text)} characters; a changelog line has at most {LONGEST}")
    return faults


def render(version: str, day: date, fragments: Sequence[Path]) -> str:
    """Write the section of one release, most urgent kind first."""
    lines = [f"## {version} ({day.isoformat()})", ""]
    for kind, heading in HEADINGS.items():
        texts = [path.read_text().strip() for path in fragments if path.name.endswith(f".{kind}.md")]
        if texts:
            lines += [f"### {heading}", "", *(f"- {' '.join(text.split())}" for text in texts), ""]
    return "\n".join(lines)


def release(version: str, day: date, root: Path = ROOT) -> None:
    """Move all fragments into CHANGELOG.md, newest release on top."""
    fragments = find_fragments(root / "changelog.d")
    changelog = root / "CHANGELOG.md"
    title = "# Changelog\n\n"
    older = changelog.read_text().removeprefix(title) if changelog.exists() else ""
    changelog.write_text(title + render(version, day, fragments) + ("\n" + older if older else ""))
    for path in fragments:
        path.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the fragments, or gather them for a release."""
    parser = argparse.ArgumentParser(prog="python -m tools.changelog", description=__doc__)
    parser.add_argument("--release", metavar="VERSION", help="gather the fragments under this version")
    parser.add_argument("--day", type=date.fromisoformat, help="the day of the release, as 2026-11-20")
    chosen = parser.parse_args(arguments)
    faults = find_faults(find_fragments(ROOT / "changelog.d"))
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    if not faults and chosen.release:
        if chosen.day is None:
            parser.error("--release needs --day")
        release(chosen.release, chosen.day)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
