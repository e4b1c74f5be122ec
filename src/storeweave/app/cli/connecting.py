"""Commands about accounts and this machine: check, hooks, pair, doctor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from storeweave.app.cli import tables
from storeweave.app.cli.frame import (
    CONFIG,
    ConfigOption,
    Exit,
    JsonOption,
    Stop,
    YesOption,
    ask,
    confirm,
    hub_of,
    out,
    read_config,
    run,
    show_json,
)
from storeweave.app.shown import CheckShown
from storeweave.model.errors import ConfigError

hooks_app = typer.Typer(help="Webhook subscriptions at the vendors.", invoke_without_command=True)
ConnectionArgument = Annotated[str | None, typer.Argument(help="Only this connection.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(check)
    app.add_typer(hooks_app, name="hooks")
    app.command()(pair)
    app.command()(doctor)


def check(
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
    offline: Annotated[bool, typer.Option("--offline", help="Only read the configuration; call nobody.")] = False,
) -> None:
    """Check the configuration, and try every connection's credentials."""
    loaded = read_config(config, as_json=as_json)
    found = [
        CheckShown(name=warning.path or str(config), state="warning", text=warning.message, remedy=warning.remedy)
        for warning in loaded.warnings
    ]
    count = f"{len(loaded.connections)} connections, {len(loaded.flows)} flows"
    found.insert(0, CheckShown(name=str(config), state="ok", text=f"the configuration is right: {count}"))
    if not offline:

        async def work() -> list[CheckShown]:
            async with hub_of(loaded, direct=True) as port:
                return await port.check()

        found += run(work, as_json=as_json)
    _checked(found, as_json=as_json)


def _checked(found: Sequence[CheckShown], *, as_json: bool) -> None:
    if as_json:
        show_json(list(found))
    else:
        tables.print_checks(out(), found)
    if any(one.state == "failed" for one in found):
        raise Stop(Exit.FAILED)


@hooks_app.callback()
def hooks(context: typer.Context, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Show the subscriptions of all connections."""
    if context.invoked_subcommand is None:
        _hooks("list", None, config, as_json=as_json)


@hooks_app.command(name="list")
def list_(connection: ConnectionArgument = None, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Show the subscriptions as the vendors have them."""
    _hooks("list", connection, config, as_json=as_json)


@hooks_app.command()
def ensure(connection: ConnectionArgument = None, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Create, re-activate and move ours to hub.public_url. A server does it by itself."""
    _hooks("ensure", connection, config, as_json=as_json)


@hooks_app.command()
def remove(
    connection: ConnectionArgument = None,
    yes: YesOption = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Remove ours, and only ours. A running server makes them again."""
    confirm(f"Remove our webhooks of {connection or 'all connections'}?", yes=yes or as_json)
    _hooks("remove", connection, config, as_json=as_json)


def _hooks(action: str, connection: str | None, config: ConfigOption, *, as_json: bool) -> None:
    found = ask(config, lambda port: port.hooks(action, connection), as_json=as_json)
    if as_json:
        show_json(found)
    else:
        tables.print_hooks(out(), found)
    if any(hook.state == "failed" for hook in found):
        raise Stop(Exit.FAILED)


def pair(
    connection: Annotated[str, typer.Argument(help="Its name.")],
    yes: YesOption = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Accept the account that stands behind a connection now, after its settings were changed on purpose."""
    confirm(f"Write to whatever account stands behind {connection} now?", yes=yes or as_json)
    found = ask(config, lambda port: port.pair(connection), as_json=as_json)
    _checked([found], as_json=as_json)


def doctor(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Look at this machine, the database, the configuration, the accounts and the webhooks."""
    from storeweave.app.config import load_config
    from storeweave.app.doctor import examine, examine_machine
    from storeweave.app.logs import set_up_logs

    set_up_logs(level="error")
    try:
        loaded = load_config(config)
    except ConfigError as error:
        faults = CheckShown(name="configuration", state="failed", text=str(error), remedy="correct the file")
        _checked([*examine_machine(), faults], as_json=as_json)
        return
    set_up_logs(level="error", secrets=loaded.secrets)
    _checked(run(lambda: examine(loaded), as_json=as_json), as_json=as_json)
