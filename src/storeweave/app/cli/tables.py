"""Results as people read them: tables and lines, on a terminal and through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from storeweave.app.shown import (
    BrakeShown,
    CheckShown,
    Explanation,
    FieldStory,
    HistoryEntry,
    HookShown,
    ItemRow,
    LineShown,
    ParkedPage,
    PlanShown,
    RunShown,
    Status,
    UndoShown,
)

STYLES: Final = {
    "in agreement": "green", "agrees": "green", "active": "green", "ok": "green", "done": "green", "kept": "green",
    "working": "cyan", "dirty": "cyan", "running": "cyan", "created": "cyan", "activated": "cyan", "moved": "cyan",
    "waiting": "yellow", "paused": "yellow", "warning": "yellow", "held": "yellow", "inactive": "yellow",
    "needs a person": "red", "blocked": "red", "read-only": "red", "failed": "red", "parked": "red",
}  # fmt: skip
LONGEST_VALUE: Final = 60


def table(*columns: str) -> Table:
    """An empty table: ruled on a terminal, plain columns in a pipe."""
    shape = box.SIMPLE_HEAD if sys.stdout.isatty() else None
    made = Table(box=shape, pad_edge=False, show_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name.removesuffix("#"), justify="right" if name.endswith("#") else "left", overflow="fold")
    return made


def styled(state: str) -> str:
    """A state in its colour."""
    style = STYLES.get(state)
    return f"[{style}]{escape(state)}[/]" if style else escape(state)


def ago(at: datetime | None, now: datetime | None = None) -> str:
    """``3 min ago``."""
    if at is None:
        return "never"
    return f"{span(((now or datetime.now(UTC)) - at).total_seconds())} ago"


def span(seconds: float) -> str:
    """A duration in its two largest words."""
    seconds = max(0.0, seconds)
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} s" if seconds >= 1 else "0 s"


def clock(at: datetime) -> str:
    """A moment in this machine's time."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def value(data: object, longest: int = LONGEST_VALUE) -> str:
    """A JSON value, cut off where it is long."""
    if data is None:
        text = "-"
    elif isinstance(data, bool):
        text = "yes" if data else "no"
    elif isinstance(data, list):
        text = ", ".join(" ".join(map(str, row)) if isinstance(row, list) else str(row) for row in data) or "-"
    else:
        text = str(data).replace("\n", " ")
    return escape(text if len(text) <= longest else text[: longest - 1] + "…")


def print_status(console: Console, status: Status) -> None:
    """One screen."""
    console.print(f"Storeweave {status.version}: {styled(status.verdict)}")
    flows = table("flow", "source", "destination", "linked#", "dirty#", "backing off#", "parked#", "held#", "lag#")
    for flow in status.flows:
        linked = ", ".join(f"{count} {kind}" for kind, count in flow.linked.items())
        name = f"{flow.name} (shadow)" if flow.shadow else flow.name
        flows.add_row(
            escape(name), escape(flow.source), escape(flow.destination), linked, str(flow.dirty),
            str(flow.backing_off), str(flow.parked), str(flow.held), span(flow.lag_s) if flow.oldest_at else "-",
        )  # fmt: skip
    if status.flows:
        console.print(flows)
    connections = table("connection", "system", "state", "account", "last webhook", "calls#", "left#", "why")
    for one in status.connections:
        why = one.reason + (f" (until {clock(one.paused_until)})" if one.paused_until else "")
        connections.add_row(
            escape(one.name), escape(one.system), styled(one.state), escape(one.account),
            ago(one.last_notice_at, status.at), value(one.calls), value(one.calls_left), escape(why),
        )  # fmt: skip
    if status.connections:
        console.print(connections)
    if status.brakes:
        console.print(f"[red]{status.brakes} brake(s) hold changes[/]: storeweave brakes")
    if status.parked:
        console.print(f"[red]{status.parked} key(s) are parked[/]: storeweave parked")


def print_items(console: Console, items: Sequence[ItemRow], *, after: str | None = None) -> None:
    """Records."""
    rows = table("item", "there", "sku", "title", "state", "linked by", "why")
    for item in items:
        rows.add_row(
            escape(f"{item.flow}/{item.kind}/{item.key}"), escape(item.destination_key or "-"), value(item.sku),
            value(item.title, 40), styled(item.state), escape(item.how or "-"), escape(item.reason or ""),
        )  # fmt: skip
    console.print(rows if items else "nothing")
    more(console, after)


def more(console: Console, after: str | None) -> None:
    """Says that there is another page."""
    if after is not None:
        console.print(f"more: --after {after}", style="dim")


def print_history(console: Console, changes: Iterable[HistoryEntry], *, after: str | None = None) -> None:
    """Applied changes with their lines."""
    shown = False
    for change in changes:
        shown = True
        run = f", run {change.run}" if change.run else ""
        lag = f", {change.lag_ms / 1000:.2f} s after the notice" if change.lag_ms is not None else ""
        console.print(
            f"[bold]{change.id}[/] {clock(change.at)} {change.op} "
            f"{escape(f'{change.flow}/{change.kind}/{change.key}')} ({change.cause}{run}{lag})"
        )
        print_lines(console, change.lines)
        if change.calls:
            console.print(f"    by {escape('; '.join(change.calls))}", style="dim")
    if not shown:
        console.print("nothing")
    more(console, after)


def print_lines(console: Console, lines: Sequence[LineShown], *, most: int = 12) -> None:
    """Old and new values."""
    for line in lines[:most]:
        if not line.had and line.has and line.new is None:
            console.print(f"    + {escape(line.path)}")
        elif line.had and not line.has:
            console.print(f"    - {escape(line.path)}")
        else:
            old = value(line.old) if line.had else "(absent)"
            console.print(f"    {escape(line.path)}: {old} -> {value(line.new)}")
    if len(lines) > most:
        console.print(f"    ... and {len(lines) - most} more fields", style="dim")


def print_explanation(console: Console, found: Explanation, field: str | None) -> None:
    """Why a record, or one of its values, is what it is."""
    item = found.item
    title = f"{item.flow}/{item.kind}/{item.key}"
    console.print(f"[bold]{escape(item.title or title)}[/] ({escape(title)}) {styled(item.state)}")
    there = f"{found.destination} {item.destination_key}" if item.destination_key else f"not at {found.destination} yet"
    how = "made by us" if item.how == "created" else f"linked by {item.how}"
    linked = f", {how} {clock(item.linked_at)}" if item.how and item.linked_at else ""
    console.print(f"{escape(found.source)} {escape(item.key)} -> {escape(there)}{linked}")
    if item.reason:
        console.print(f"{item.state}: {escape(item.reason)}")
    if field is not None:
        for story in found.fields:
            _print_story(console, story)
        return
    fields = table("field", "value", "there", "rule")
    for story in found.fields:
        theirs = "" if story.theirs == story.value else value(story.theirs)
        fields.add_row(escape(story.path), value(story.value), theirs, escape(story.rule))
    console.print(fields)
    if found.conflicts:
        console.print("[bold]conflicts[/]")
        for conflict in found.conflicts[:10]:
            console.print(
                f"  {clock(conflict.at)} {escape(conflict.path)}: source {value(conflict.source)}, "
                f"destination {value(conflict.destination)}; {escape(conflict.choice)}"
            )
    console.print("[bold]changes[/]")
    print_history(console, found.changes[:5])


def _print_story(console: Console, story: FieldStory) -> None:
    console.print(f"[bold]{escape(story.path)}[/] = {value(story.theirs, 500)}")
    for step in story.steps:
        at = f" ({clock(step.at)})" if step.at else ""
        console.print(f"  [cyan]{step.step:<7}[/] {escape(step.text)}{at}")


def print_parked(console: Console, page: ParkedPage) -> None:
    """Causes, then keys."""
    causes = table("flow", "cause", "keys#", "example", "why")
    for cause in page.causes:
        causes.add_row(
            escape(cause.flow), escape(cause.code), str(cause.count), escape(cause.example), escape(cause.reason)
        )
    console.print(causes if page.causes else "nothing is parked")
    if page.items:
        print_items(console, page.items, after=page.next)


def print_brakes(console: Console, brakes: Sequence[BrakeShown]) -> None:
    """What is held, and how to let it go."""
    if not brakes:
        console.print("no brake holds anything")
    for brake in brakes:
        name = escape(f"{brake.guard} of {brake.flow}")
        console.print(f"[bold]brake {brake.id}[/] {name}, since {clock(brake.opened_at)}")
        console.print(f"  {escape(brake.message)}")
        rest = " ..." if brake.held > len(brake.sample) else ""
        console.print(f"  holds {brake.held}: {escape(', '.join(brake.sample))}{rest}")
        shown = f"--count {brake.held} --hash {brake.list_hash}"
        console.print(f"  let it pass: storeweave brakes release {brake.id} {shown}")
        console.print(f"  give it up:  storeweave brakes drop {brake.id}")


def print_runs(console: Console, runs: Sequence[RunShown]) -> None:
    """Passes."""
    rows = table("run#", "flow", "what", "state", "started", "took", "counts")
    for run in runs:
        took = span((run.ended_at - run.started_at).total_seconds()) if run.ended_at else "-"
        counts = ", ".join(f"{name} {count}" for name, count in run.counts.items())
        rows.add_row(
            str(run.id), escape(run.flow or "-"), run.what, styled(run.state), clock(run.started_at), took,
            escape("; ".join(part for part in (counts, run.note) if part)),
        )  # fmt: skip
    console.print(rows if runs else "no runs yet")


def print_plan(console: Console, plan: PlanShown) -> None:
    """What would be done."""
    for change in plan.changes:
        what = f"{change.op} {change.kind} {change.key}"
        console.print(
            f"[bold]{escape(what)}[/] {escape(change.title)}{escape(f' ({change.reason})' if change.reason else '')}"
        )
        print_lines(console, change.lines, most=6)
    if plan.cut_off:
        console.print("... and more; --most shows them", style="dim")
    counts = ", ".join(f"{count} {name.replace('.', ' ')}" for name, count in sorted(plan.counts.items()) if count)
    console.print(f"flow {escape(plan.flow)}: {counts or 'nothing to compare'}")
    for brake in plan.brakes:
        console.print(f"[yellow]would be held[/] {escape(brake)}")
    if plan.digest:
        console.print(f"plan {plan.digest}", style="dim")


def print_undo(console: Console, undone: UndoShown) -> None:
    """What was put back, and what was not."""
    for item in undone.items:
        name = escape(f"{item.flow}/{item.kind}/{item.key} {item.title}")
        console.print(f"[bold]{name}[/]: {escape(', '.join(item.restored)) or 'nothing'} put back")
        for path, why in item.left.items():
            console.print(f"    [yellow]left[/] {escape(f'{path}: {why}' if path else why)}")
    console.print(f"run {undone.run}", style="dim")


def print_checks(console: Console, checks: Sequence[CheckShown]) -> None:
    """What was checked, and what to do."""
    for check in checks:
        console.print(f"{styled(check.state):<8} [bold]{escape(check.name)}[/]: {escape(check.text)}")
        if check.remedy and check.state != "ok":
            console.print(f"         -> {escape(check.remedy)}")


def print_hooks(console: Console, hooks: Sequence[HookShown]) -> None:
    """Subscriptions."""
    rows = table("connection", "scope", "state", "destination", "why")
    for hook in hooks:
        rows.add_row(
            escape(hook.connection),
            escape(hook.scope),
            styled(hook.state),
            escape(hook.destination),
            escape(hook.reason),
        )
    console.print(rows if hooks else "no webhooks")
