"""The program as a whole: its commands in their order, its help, its entry point."""

from __future__ import annotations

import sys

import typer

from storeweave.app.cli import connecting, looking, starting, syncing, working
from storeweave.app.cli.frame import EXIT_CODES_HELP

app = typer.Typer(
    name="storeweave",
    help="Keeps stores in agreement about products, categories and brands.\n\n" + EXIT_CODES_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they would show the values of variables
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
starting.add_to(app)
connecting.add_to(app)
syncing.add_to(app)
working.add_to(app)
looking.add_to(app)


def main() -> None:
    """Entry point of ``storeweave``."""
    try:
        app()
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        sys.stderr.close()
        sys.exit(0)
