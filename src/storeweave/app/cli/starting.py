"""Commands to begin with, and those that run for long: init, import-config, serve, demo, twin, version."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from storeweave import __version__
from storeweave.app.cli import tables
from storeweave.app.cli.frame import (
    CONFIG,
    ConfigOption,
    Exit,
    JsonOption,
    Stop,
    fail,
    note,
    out,
    read_config,
    run,
    show_json,
)
from storeweave.model.errors import BadRequestError, ConfigError

_PASSED_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True}
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(init)
    app.command(name="import-config")(import_config)
    app.command()(serve)
    app.command(context_settings=_PASSED_ON, add_help_option=False)(demo)
    app.command(context_settings=_PASSED_ON, add_help_option=False)(twin)
    app.command()(version)


def init(config: ConfigOption = CONFIG, force: ForceOption = False) -> None:
    """Write a storeweave.toml to fill in: two BigCommerce stores and one flow."""
    from storeweave.app.first_config import FIRST_CONFIG

    _write(config, FIRST_CONFIG, force=force, as_json=False)
    note(f"wrote {config}; fill in both stores, then: storeweave check, storeweave plan, storeweave serve")


def import_config(
    source: Annotated[Path, typer.Argument(help="The other program's .env file.")],
    config: ConfigOption = CONFIG,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn the .env of the one-way BigCommerce synchroniser into a storeweave.toml; say what became of each line."""
    from storeweave.app.import_config import import_env

    try:
        imported = import_env(source, beside=config.absolute().parent)
    except ConfigError as error:
        raise fail(error, as_json=as_json) from None
    _write(config, imported.toml, force=force, as_json=as_json)
    if as_json:
        show_json(
            {"file": str(config), "became": [{"name": b.name, "now": b.now, "words": b.words} for b in imported.became]}
        )
        return
    rows = tables.table("setting", "now", "")
    for became in imported.became:
        rows.add_row(became.name, became.now or "-", became.words)
    out().print(rows)
    note(f"wrote {config}; next: storeweave check, storeweave plan, storeweave serve")


def _write(path: Path, text: str, *, force: bool, as_json: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise fail(ConfigError(f"{path} exists already; --force replaces it"), as_json=as_json) from None
    except OSError as error:
        raise fail(ConfigError(f"{path} cannot be written: {error.strerror}"), as_json=as_json) from None


def serve(
    config: ConfigOption = CONFIG,
    role: Annotated[str | None, typer.Option("--role", help="all, door or worker; default: hub.role.")] = None,
    listen: Annotated[str | None, typer.Option("--listen", help="Address and port; default: hub.listen.")] = None,
) -> None:
    """Run: take webhooks in, carry changes out, answer the API. SIGTERM stops it in order."""
    from storeweave.app.config_model import split_listen

    if role not in {None, "all", "door", "worker"}:
        raise fail(BadRequestError("--role: write all, door or worker"), as_json=False)
    try:
        if listen is not None:
            split_listen(listen)
    except ValueError as error:
        raise fail(BadRequestError(f"--listen: {error}"), as_json=False) from None
    loaded = read_config(config, as_json=False, quiet=False)
    for warning in loaded.warnings:
        note(f"{warning}")
    if role in {"door", "worker"} and loaded.sqlite_path is not None:
        raise fail(ConfigError(f"--role {role} needs a postgresql:// database"), as_json=False)
    from storeweave.app.serve import serve as serve_hub

    def started(address: str) -> None:
        note(f"listening at {address}")

    run(lambda: serve_hub(loaded, role=role, listen=listen, started=started), fast=True)


def demo(context: typer.Context) -> None:
    """Two twin stores come to agreement on screen: no account, no network. `demo --help` shows its options."""
    from storeweave.app.demo.run import main as run_demo

    raise typer.Exit(run_demo(context.args))


def twin(context: typer.Context) -> None:
    """Serve a small imitation of a vendor's API: `twin bigcommerce --port 8760 --products 50`."""
    names = _twins()
    if not context.args or context.args[0] not in names:
        known = ", ".join(names)
        asked_for_help = bool({"-h", "--help"} & set(context.args))
        note(f"usage: storeweave twin NAME [options of that twin]; NAME is one of: {known}")
        raise Stop(Exit.OK if asked_for_help else Exit.USAGE)
    module = importlib.import_module(f"storeweave.connectors.{context.args[0]}.twin.server")
    serve_twin: Callable[[Sequence[str]], object] = module.main
    serve_twin(context.args[1:])


def _twins() -> list[str]:
    import storeweave.connectors

    return sorted(
        path.parent.parent.name
        for folder in storeweave.connectors.__path__
        for path in Path(folder).glob("*/twin/server.py")
    )


def version(as_json: JsonOption = False) -> None:
    """The versions of this program and of what it stands on."""
    import platform
    import sqlite3

    found = {"storeweave": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    if as_json:
        show_json(found)
    else:
        sys.stdout.write(", ".join(f"{name} {number}" for name, number in found.items()) + os.linesep)
