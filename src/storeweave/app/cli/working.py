"""Commands that act: plan, apply, sync, undo, retry, brakes, pause, resume, link, unlink, purge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from storeweave.app.cli import tables
from storeweave.app.cli.frame import (
    CONFIG,
    ConfigOption,
    Exit,
    FlowOption,
    JsonOption,
    Stop,
    YesOption,
    ask,
    confirm,
    hub_of,
    note,
    out,
    progress_shown,
    read_config,
    run,
    show_json,
)
from storeweave.app.cli.looking import parse_since
from storeweave.app.hub_port import HubPort
from storeweave.app.shown import BrakeShown, Counted, PlanShown
from storeweave.model.errors import RefusedError

brakes_app = typer.Typer(help="Guards that hold changes until a person confirms.", invoke_without_command=True)
MostOption = Annotated[int, typer.Option("--most", min=1, max=10_000, help="The most changes to show.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(plan)
    app.command()(undo)
    app.command()(retry)
    app.add_typer(brakes_app, name="brakes")
    app.command()(pause)
    app.command()(resume)
    app.command()(link)
    app.command()(unlink)
    app.command()(purge)


def plan(
    flow: FlowOption = None,
    most: MostOption = 50,
    everything: Annotated[
        bool, typer.Option("--everything", help="Also compare what looks equal, field by field.")
    ] = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What would be written now. Reads both sides, writes nothing."""
    loaded = read_config(config, as_json=as_json)

    async def work() -> list[PlanShown]:
        async with hub_of(loaded) as port:
            names = [flow] if flow is not None else [f.name for f in (await port.status()).flows]
            with progress_shown(as_json=as_json) as tell:
                return [await port.plan(name, most=most, everything=everything, progress=tell) for name in names]

    found = run(work, as_json=as_json)
    if as_json:
        show_json(found)
        return
    for one in found:
        tables.print_plan(out(), one)


def undo(
    run_number: Annotated[int | None, typer.Argument(metavar="RUN", help="The run to take back.")] = None,
    change: Annotated[int | None, typer.Option("--change", help="Only this applied change.")] = None,
    item: Annotated[str | None, typer.Option("--item", help="Everything of this record.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="With --item: only since then.")] = None,
    yes: YesOption = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Take applied changes back, as far as nobody changed them since. The source has to change to write them again."""
    begin = parse_since(since)
    what = f"run {run_number}" if run_number is not None else f"change {change}" if change is not None else item
    if what is not None:
        confirm(f"Take back {what} at the destination?", yes=yes or as_json)
    undone = ask(config, lambda port: port.undo(run=run_number, change=change, item=item, since=begin), as_json=as_json)
    if as_json:
        show_json(undone)
    else:
        tables.print_undo(out(), undone)
    if any(one.left for one in undone.items):
        raise Stop(Exit.PERSON)


def retry(
    items: Annotated[list[str] | None, typer.Argument(help="Only these records.")] = None,
    flow: FlowOption = None,
    code: Annotated[str | None, typer.Option("--code", help="Only this cause.")] = None,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Try parked keys again now."""
    _counted(
        config, lambda port: port.retry(flow=flow, code=code, items=items or ()), "will be tried again", as_json=as_json
    )


@brakes_app.callback()
def brakes(context: typer.Context, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Guards that tripped, and what they hold. Exit code 3 when there is one."""
    if context.invoked_subcommand is not None:
        return
    found = ask(config, lambda port: port.brakes(), as_json=as_json)
    if as_json:
        show_json(found)
    else:
        tables.print_brakes(out(), found)
    if found:
        raise Stop(Exit.PERSON)


@brakes_app.command()
def release(
    brake: Annotated[int, typer.Argument(help="Its number.")],
    count: Annotated[int | None, typer.Option("--count", help="How many it was shown to hold.")] = None,
    list_hash: Annotated[str | None, typer.Option("--hash", help="The hash of the list that was shown.")] = None,
    yes: YesOption = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Let what a brake holds pass. Without --count and --hash it is shown first, and you are asked."""
    if count is None or list_hash is None:
        shown = ask(config, lambda port: _brake(port, brake), as_json=as_json)
        if not as_json:
            tables.print_brakes(out(), [shown])
        confirm(f"Let these {shown.held} changes pass?", yes=yes)
        count, list_hash = shown.held, shown.list_hash
    held, digest = count, list_hash
    _counted(config, lambda port: port.release_brake(brake, count=held, list_hash=digest), "pass", as_json=as_json)


@brakes_app.command()
def drop(
    brake: Annotated[int, typer.Argument(help="Its number.")],
    yes: YesOption = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Give up what a brake holds; the destination keeps what it has."""
    confirm(f"Give up what brake {brake} holds?", yes=yes or as_json)
    _counted(config, lambda port: port.drop_brake(brake), "given up", as_json=as_json)


async def _brake(port: HubPort, number: int) -> BrakeShown:
    for found in await port.brakes():
        if found.id == number:
            return found
    raise RefusedError(f"there is no open brake {number}", code="unknown")


def pause(
    connection: Annotated[str, typer.Argument(help="Its name.")],
    reason: Annotated[str, typer.Option("--reason", help="Shown in status.")] = "paused by hand",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Stop writing to a connection. Notices go on being kept, so nothing is missed."""
    _done(config, lambda port: port.pause(connection, reason=reason), f"{connection} is paused", as_json=as_json)


def resume(
    connection: Annotated[str, typer.Argument(help="Its name.")],
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Go on writing to a connection."""
    _done(config, lambda port: port.resume(connection), f"{connection} goes on", as_json=as_json)


def link(
    flow: Annotated[str, typer.Argument(help="The flow.")],
    kind: Annotated[str, typer.Argument(help="category, brand or product.")],
    key: Annotated[str, typer.Argument(help="Its id at the source.")],
    destination_key: Annotated[str, typer.Argument(help="Its id at the destination.")],
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say that two records are the same thing; the destination's is then kept in agreement."""
    _done(
        config,
        lambda port: port.link(flow, kind, key, destination_key),
        f"{kind} {key} and {destination_key} are one",
        as_json=as_json,
    )


def unlink(
    flow: Annotated[str, typer.Argument(help="The flow.")],
    kind: Annotated[str, typer.Argument(help="category, brand or product.")],
    key: Annotated[str, typer.Argument(help="Its id at the source.")],
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Forget that a record is linked; both stay as they are."""
    _done(config, lambda port: port.unlink(flow, kind, key), f"{kind} {key} is not linked any more", as_json=as_json)


def purge(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Remove what retention no longer keeps. A server does it by itself."""
    removed = ask(config, lambda port: port.purge(), as_json=as_json)
    if as_json:
        show_json(removed)
    else:
        out().print(
            ", ".join(f"{count} from {name}" for name, count in removed.items() if count) or "nothing to remove"
        )


def _counted(
    config: ConfigOption, question: Callable[[HubPort], Awaitable[Counted]], words: str, *, as_json: bool
) -> None:
    counted = ask(config, question, as_json=as_json)
    if as_json:
        show_json(counted)
    else:
        out().print(f"{counted.count} {words}")


def _done(config: ConfigOption, question: Callable[[HubPort], Awaitable[None]], words: str, *, as_json: bool) -> None:
    ask(config, question, as_json=as_json)
    if as_json:
        show_json({"done": True})
    else:
        note(words)
