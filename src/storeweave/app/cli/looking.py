"""Commands that look: status, items, explain, history, parked, runs, unmatched."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer
from rich.text import Text

from storeweave.app.cli import tables
from storeweave.app.cli.frame import (
    CONFIG,
    AfterOption,
    ConfigOption,
    Exit,
    FlowOption,
    JsonOption,
    LimitOption,
    Stop,
    ask,
    hub_of,
    out,
    read_config,
    run,
    show_json,
)
from storeweave.app.hub_port import HubPort
from storeweave.app.shown import ItemRow, Status

_UNITS: Final = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(status)
    app.command()(items)
    app.command()(explain)
    app.command()(history)
    app.command()(parked)
    app.command()(runs)
    app.command()(unmatched)


def status(
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it, once a second.")] = False,
) -> None:
    """The state of everything. Exit code 3 when something waits for a person."""
    if watch and not as_json:
        _watch(config)
        return
    found = ask(config, lambda port: port.status(), as_json=as_json)
    if as_json:
        show_json(found)
    else:
        tables.print_status(out(), found)
    if found.verdict == "needs a person":
        raise Stop(Exit.PERSON)


def _watch(config: ConfigOption) -> None:
    from rich.live import Live

    loaded = read_config(config, as_json=False)
    console = out()

    async def work() -> None:
        async with hub_of(loaded) as port:
            with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
                while True:
                    live.update(_rendered(await port.status()), refresh=True)
                    await asyncio.sleep(1.0)

    run(work)


def _rendered(found: Status) -> Text:
    console = out()
    with console.capture() as capture:
        tables.print_status(console, found)
    return Text.from_ansi(capture.get())


def items(
    text: Annotated[str | None, typer.Argument(help="Part of an id, SKU or name.")] = None,
    flow: FlowOption = None,
    kind: Annotated[str | None, typer.Option("--kind", "-k", help="category, brand or product.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="agrees, dirty, parked or held.")] = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Records that are known on both sides, or wait to be."""
    page = ask(
        config,
        lambda port: port.items(flow=flow, kind=kind, state=state, text=text, after=after, limit=limit),
        as_json=as_json,
    )
    if as_json:
        show_json(page)
    else:
        tables.print_items(out(), page.items, after=page.next)


def explain(
    item: Annotated[str, typer.Argument(help="An id on either side, a SKU, the start of a name, or kind/id.")],
    field: Annotated[str | None, typer.Argument(help="One field, such as price or variants/RED-XL/price.")] = None,
    flow: FlowOption = None,
    live: Annotated[bool, typer.Option("--live", help="Read the source's record, too (a call).")] = False,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Why is this record, or this value, what it is?"""
    found = ask(config, lambda port: port.explain(item, field=field, flow=flow, live=live), as_json=as_json)
    if as_json:
        show_json(found)
    else:
        tables.print_explanation(out(), found, field)


def history(
    item: Annotated[str | None, typer.Argument(help="Only this record.")] = None,
    flow: FlowOption = None,
    run: Annotated[int | None, typer.Option("--run", min=1, help="Only this run.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="A time, or a span such as 2h or 3d.")] = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Applied changes, newest first, with old and new values, cause and call."""
    begin = parse_since(since)
    page = ask(
        config,
        lambda port: port.history(item=item, flow=flow, run=run, since=begin, after=after, limit=limit),
        as_json=as_json,
    )
    if as_json:
        show_json(page)
    else:
        tables.print_history(out(), page.changes, after=page.next)


def parked(
    flow: FlowOption = None,
    code: Annotated[str | None, typer.Option("--code", help="Only this cause.")] = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What waits for a person or for new content, and why. It is tried again once a day, or by `retry`."""
    page = ask(config, lambda port: port.parked(flow=flow, code=code, after=after, limit=limit), as_json=as_json)
    if as_json:
        show_json(page)
    else:
        tables.print_parked(out(), page)


def runs(
    flow: FlowOption = None, limit: LimitOption = 20, config: ConfigOption = CONFIG, as_json: JsonOption = False
) -> None:
    """Full passes, sweeps, undos: newest first."""
    found = ask(config, lambda port: port.runs(flow=flow, limit=limit), as_json=as_json)
    if as_json:
        show_json(found)
    else:
        tables.print_runs(out(), found)


def unmatched(flow: FlowOption = None, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Records of the source that could not be matched with one at the destination, and why."""

    async def question(port: HubPort) -> list[ItemRow]:
        found: list[ItemRow] = []
        after: str | None = None
        while True:
            page = await port.parked(flow=flow, after=after, limit=500)
            found += [row for row in page.items if row.destination_key is None]
            after = page.next
            if after is None:
                return found

    rows = ask(config, question, as_json=as_json)
    if as_json:
        show_json(rows)
    else:
        tables.print_items(out(), rows)
    if rows:
        raise Stop(Exit.PERSON)


def parse_since(text: str | None) -> datetime | None:
    """``2h``, ``3d`` or ISO 8601; a time without zone is this machine's."""
    if text is None:
        return None
    if span := re.fullmatch(r"(\d{1,6})\s*(s|m|min|h|d|w)", text.strip()):
        return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter("write a span such as 2h or 3d, or a time such as 2026-11-20T12:00") from None
