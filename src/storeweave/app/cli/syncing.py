"""``sync`` and ``apply``: bring stores into agreement, and wait until they are.

With a server running it does the work and we watch; without one this process works the lanes itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Final

import typer
from pydantic import Field

from storeweave.app.cli import tables
from storeweave.app.cli.frame import (
    CONFIG,
    ConfigOption,
    Exit,
    FlowOption,
    JsonOption,
    Stop,
    YesOption,
    confirm,
    note,
    out,
    progress_shown,
    read_config,
    run,
    show_json,
)
from storeweave.app.config import Config
from storeweave.app.hub_port import HubPort, Progress
from storeweave.app.shown import ItemRow, PlanShown, Shown, Status, SyncStarted
from storeweave.model.errors import RefusedError, StoreweaveError

LOOK_EVERY_S: Final = 0.2
GIVES_UP_AFTER_S: Final = 20.0
"""How long nothing but retries may be left before we stop waiting."""
STILL_FOR_S: Final = 90.0
"""How long nothing at all may move before we stop waiting."""
FEW: Final = 100
LATER_LOOKS: Final = frozenset({"second-look", "confirm"})
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")]


class Synced(Shown):
    """What ``--json`` prints."""

    started: SyncStarted
    waited: bool
    status: Status
    items: list[ItemRow] = Field(default=[])


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(sync)
    app.command(name="apply")(apply_)


def sync(
    items: Annotated[list[str] | None, typer.Argument(help="Ids, SKUs or names; none with --full.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Compare whole listings of both sides.")] = False,
    flow: FlowOption = None,
    wait: WaitOption = True,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Look at these items now, or (--full) at everything, and write what differs.

    Exit code 0: done, all agree; 3: something is parked or held; 4: a vendor does not answer, it goes on later.
    """
    loaded = read_config(config, as_json=as_json)

    async def work() -> Synced:
        async with _working_hub(loaded, wait=wait) as port:
            return await _synced(port, items or (), full=full, flow=flow, wait=wait, as_json=as_json)

    _finish(run(work, as_json=as_json), as_json=as_json)


def apply_(
    flow: FlowOption = None,
    plan: Annotated[str | None, typer.Option("--plan", help="Only if the plan still is this one.")] = None,
    yes: YesOption = False,
    wait: WaitOption = True,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Bring everything into agreement with the configuration as it is now: show the plan, ask, do it."""
    loaded = read_config(config, as_json=as_json)

    async def work() -> Synced:
        async with _working_hub(loaded, wait=wait) as port:
            plans = await _plans(port, flow, as_json=as_json)
            _agreed(plans, plan, yes=yes, as_json=as_json)
            if loaded.hub.public_url is not None:
                for hook in await port.hooks("ensure"):
                    if hook.state == "failed":
                        note(f"webhooks of {hook.connection}: {hook.reason}")
            return await _synced(port, (), full=True, flow=flow, wait=wait, as_json=as_json)

    _finish(run(work, as_json=as_json), as_json=as_json)


async def _plans(port: HubPort, flow: str | None, *, as_json: bool) -> list[PlanShown]:
    names = [flow] if flow is not None else [f.name for f in (await port.status()).flows]
    with progress_shown(as_json=as_json) as tell:
        return [await port.plan(name, most=50, progress=tell) for name in names]


def _agreed(plans: Sequence[PlanShown], wanted: str | None, *, yes: bool, as_json: bool) -> None:
    """Go on only with the plan that a person has seen."""
    digest = "-".join(one.digest for one in plans)
    if wanted is not None and wanted != digest:
        raise RefusedError(f"the plan is stale: it is {digest} now, not {wanted}; look at it again", code="stale-plan")
    if as_json:
        if not yes and wanted is None:
            raise RefusedError("with --json, name the plan (--plan) or say --yes", code="unconfirmed")
        return
    for one in plans:
        tables.print_plan(out(), one)
    confirm("Do this?", yes=yes or wanted is not None)


@asynccontextmanager
async def _working_hub(config: Config, *, wait: bool) -> AsyncIterator[HubPort]:
    """The running server, or this process with its lanes at work."""
    from storeweave.app.config_model import split_listen
    from storeweave.app.identity import identity
    from storeweave.app.remote import server_at
    from storeweave.app.wiring import wire

    async with server_at(split_listen(config.hub.listen), identity(config), config.hub.api_token) as remote:
        if remote is not None:
            yield remote
            return
    async with wire(config, serving=wait) as wired:
        for name, found in (await wired.hub.check_accounts()).items():
            if isinstance(found, StoreweaveError):
                raise type(found)(f"{name}: {found}")
        if not wait:
            yield wired.local
            note("no server is running: `storeweave serve` carries it out")
            return
        lanes = asyncio.create_task(wired.hub.run(ticking=False), name="lanes")
        try:
            yield wired.local
        finally:
            await wired.local.close()
            lanes.cancel()
            await asyncio.wait({lanes})


async def _synced(
    port: HubPort, items: Sequence[str], *, full: bool, flow: str | None, wait: bool, as_json: bool
) -> Synced:
    with progress_shown(as_json=as_json) as tell:
        started = await port.sync(flow=flow, items=items, full=full, progress=tell)
        if wait:
            await _runs_done(port, started.runs)
            await _settled(port, started, flow, tell)
    rows = [(await port.explain(key)).item for key in started.keys] if wait else []
    return Synced(started=started, waited=wait, status=await port.status(), items=rows)


async def _runs_done(port: HubPort, numbers: Sequence[int]) -> None:
    for number in numbers:
        found = await port.run(number)
        while found.state == "running":
            await asyncio.sleep(LOOK_EVERY_S)
            found = await port.run(number)
        if found.state == "failed":
            raise StoreweaveError(f"run {number} failed{': ' + found.note if found.note else ''}; the log says more")


async def _settled(port: HubPort, started: SyncStarted, flow: str | None, tell: Progress) -> None:
    """Until nothing is left to do, or only later looks at what is done, or only retries that may take long."""
    most, stuck_s, still_s, before = 0, 0.0, 0.0, (0, 0)
    while True:
        flows = [f for f in (await port.status()).flows if flow in {None, f.name}]
        left = sum(f.dirty for f in flows)
        retrying = sum(f.backing_off for f in flows)
        most = max(most, left + retrying)
        tell("writing what differs", most - left - retrying, most)
        stuck_s = stuck_s + LOOK_EVERY_S if retrying and not left else 0.0
        if not left and (not retrying or stuck_s >= GIVES_UP_AFTER_S):
            return
        still_s = still_s + LOOK_EVERY_S if before == (left, retrying) else 0.0
        before = (left, retrying)
        if still_s >= STILL_FOR_S:
            note(f"nothing has moved for {STILL_FOR_S:.0f} s: `storeweave status` and the log may say why")
            return
        if left <= FEW and await _only_later_looks(port, started, flow):
            return
        await asyncio.sleep(LOOK_EVERY_S)


async def _only_later_looks(port: HubPort, started: SyncStarted, flow: str | None) -> bool:
    """What we wait for was written, and is only looked at again for safety's sake."""
    if started.keys:
        rows = [(await port.explain(key)).item for key in started.keys]
    else:
        rows = (await port.items(flow=flow, state="dirty", limit=FEW)).items
    return all(_looked_at(row) for row in rows)


def _looked_at(row: ItemRow) -> bool:
    return row.state != "dirty" or (row.cause in LATER_LOOKS and not row.attempts)


def _finish(synced: Synced, *, as_json: bool) -> None:
    if as_json:
        show_json(synced)
    elif synced.items:
        tables.print_items(out(), synced.items)
    elif synced.waited:
        tables.print_status(out(), synced.status)
    else:
        note(f"marked {len(synced.started.keys)} keys, started runs {synced.started.runs}")
    if not synced.waited:
        return
    flows = synced.status.flows
    states = {row.state for row in synced.items if not _looked_at(row) or row.state != "dirty"}
    if states & {"parked", "held"} or (not synced.items and any(f.parked or f.held for f in flows)):
        raise Stop(Exit.PERSON)
    if "dirty" in states or (not synced.items and any(f.backing_off or f.dirty > FEW for f in flows)):
        raise Stop(Exit.LATER)
