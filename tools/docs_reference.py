"""Writes ``docs/reference/`` from the code, or looks whether it is up to date (``--check``)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.docs_configuration import configuration_page
from tools.docs_errors import errors_page
from tools.docs_interfaces import abilities_page, commands_page, http_page, metrics_page

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE: Final = "<!-- Made from the code by `make docs`. Change the code, not this page. -->\n\n"
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "configuration.md": configuration_page,
    "commands.md": commands_page,
    "http-api.md": http_page,
    "metrics.md": metrics_page,
    "errors.md": errors_page,
    "abilities.md": abilities_page,
}


def made(name: str) -> str:
    """A page as it should be."""
    lines = (NOTE + PAGES[name]()).splitlines()
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def outdated() -> list[str]:
    """Pages whose file is not what the code says."""
    return [name for name in PAGES if not (FOLDER / name).is_file() or (FOLDER / name).read_text() != made(name)]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is out of date")
    if parser.parse_args().check:
        old = outdated()
        print(
            f"docs/reference: out of date: {', '.join(old)}; run `make docs`" if old else "docs/reference: up to date"
        )
        return 1 if old else 0
    FOLDER.mkdir(exist_ok=True)
    for name in PAGES:
        (FOLDER / name).write_text(made(name))
    print(f"docs/reference: {len(PAGES)} pages written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
