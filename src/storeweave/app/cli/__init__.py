"""The command line. ``main`` is the entry; the commands live in modules by what they are about."""

from storeweave.app.cli.program import main

__all__ = ["main"]
