"""The hub port in this process: a person's requests, carried out by ``Hub`` and shown by the views."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from storeweave.app.hub import Hub
from storeweave.app.hub_port import Progress, no_progress
from storeweave.app.linking import link, unlink
from storeweave.app.plans import Planner
from storeweave.app.showing_vendors import checked, listed, reported, without_secret
from storeweave.app.shown import (
    BrakeShown,
    CheckShown,
    Counted,
    Explanation,
    HistoryPage,
    HookShown,
    ItemPage,
    ParkedPage,
    PlanShown,
    RunShown,
    Status,
    SyncStarted,
    UndoneShown,
    UndoShown,
)
from storeweave.app.stories import explain
from storeweave.app.views import Views
from storeweave.engine.sweep import Listing
from storeweave.model.errors import BadRequestError, RefusedError, StoreweaveError
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName
from storeweave.model.records import Cause, FlowKey, Notice
from storeweave.model.state import HistoryRow, MarkState
from storeweave.ports.connector import HookedConnector
from storeweave.ports.permit import Permit

log = structlog.get_logger(__name__)

LARGEST_UNDO = 10_000


class LocalHub:
    """A HubPort. ``background``: long passes go on after their request is answered (a server); ``close`` ends them."""

    def __init__(self, hub: Hub, views: Views, *, background: bool = False) -> None:
        self.hub = hub
        self.views = views
        self._background = background
        self._tasks: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """End what still runs in the background; a run that is cut off is shown as failed and can be repeated."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- views ------------------------------------------------------------------------------------------------------

    async def status(self) -> Status:
        return await self.views.status()

    async def items(
        self,
        *,
        flow: str | None = None,
        kind: str | None = None,
        state: str | None = None,
        text: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> ItemPage:
        return await self.views.items(flow=flow, kind=kind, state=state, text=text, after=after, limit=limit)

    async def explain(
        self,
        item: str,
        *,
        field: str | None = None,
        flow: str | None = None,
        kind: str | None = None,
        live: bool = False,
    ) -> Explanation:
        key = await self.views.find_one(item, flow=flow, kind=kind)
        record = None
        if live:
            source = self.hub.connectors[self.views.flow(key.flow).source]
            record = (await source.read(key.kind, [key.key], Permit())).get(key.key)
        return await explain(self.views, key, field, live=record)

    async def history(
        self,
        *,
        item: str | None = None,
        flow: str | None = None,
        run: int | None = None,
        since: datetime | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> HistoryPage:
        return await self.views.history(item=item, flow=flow, run=run, since=since, after=after, limit=limit)

    async def parked(
        self, *, flow: str | None = None, code: str | None = None, after: str | None = None, limit: int = 50
    ) -> ParkedPage:
        return await self.views.parked(flow=flow, code=code, after=after, limit=limit)

    async def brakes(self) -> list[BrakeShown]:
        return await self.views.brakes()

    async def runs(self, *, flow: str | None = None, limit: int = 20) -> list[RunShown]:
        return await self.views.runs(flow=flow, limit=limit)

    async def run(self, run: int) -> RunShown:
        return await self.views.run(run)

    # --- work -------------------------------------------------------------------------------------------------------

    async def plan(
        self, flow: str, *, most: int = 200, everything: bool = False, progress: Progress = no_progress
    ) -> PlanShown:
        spec = self.views.flow(flow)
        return await Planner(self.hub.world, spec, most=most, everything=everything, progress=progress).run()

    async def sync(
        self,
        *,
        flow: str | None = None,
        items: Sequence[str] = (),
        full: bool = False,
        progress: Progress = no_progress,
    ) -> SyncStarted:
        if full == bool(items):
            raise BadRequestError("name items, or ask for a full pass")
        flows = [self.views.flow(flow)] if flow is not None else list(self.hub.flows.values())
        if full:
            return SyncStarted(runs=[await self._full(one, progress) for one in flows])
        keys: dict[FlowKey, None] = {}
        unknown: list[str] = []
        for text in items:
            found = self.views.spelled_out(text, flow) or [
                key for one in flows for key in await self.hub.find(one, text)
            ]
            keys.update(dict.fromkeys(found))
            unknown += [] if found else [text]
        if unknown:
            raise RefusedError(f"nothing is known under {', '.join(map(repr, unknown))}", code="unknown")
        for one in flows:
            await self.hub.journal.accept_for(one, [_asked(one, key) for key in keys if key.flow == one.name])
        return SyncStarted(keys=[f"{key.flow}/{key.kind}/{key.key}" for key in keys])

    async def _full(self, flow: FlowSpec, progress: Progress) -> int:
        """A full pass; its number. From then on sweeps may follow by themselves."""
        await self.hub.store.put_value(f"first-sync:{flow.name}", self.hub.clock.now().isoformat())
        if not self._background:
            return await self.hub.full(flow, destination_too=True, progress=_told(flow, progress))
        before = {run.id for run in await self.hub.store.runs(flow=flow.name, limit=1)}
        task = self._start(self.hub.full(flow, destination_too=True))
        while not task.done():
            newest = {run.id for run in await self.hub.store.runs(flow=flow.name, limit=1)}
            if newest - before:
                return (newest - before).pop()
            await self.hub.clock.sleep(0.01)
        return await task

    def _start(self, work: Coroutine[Any, Any, int]) -> asyncio.Task[int]:
        async def looked_after() -> int:
            try:
                return await work
            except StoreweaveError as error:
                log.warning("run.failed", reason=str(error))
                raise

        task = asyncio.create_task(looked_after())
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # logged where it happened; looked at here, so that asyncio does not complain

    async def undo(
        self,
        *,
        run: int | None = None,
        change: int | None = None,
        item: str | None = None,
        since: datetime | None = None,
    ) -> UndoShown:
        if sum(given is not None for given in (run, change, item)) != 1:
            raise BadRequestError("name one of: a run, a change, an item")
        rows = await self._rows(run=run, change=change, item=item, since=since)
        if not rows:
            raise RefusedError("there is nothing on record to take back", code="unknown")
        number, shown = 0, list[UndoneShown]()
        for name in dict.fromkeys(row.key.flow for row in rows):
            mine = [row for row in rows if row.key.flow == name]
            number, undone = await self.hub.undo(self.views.flow(name), mine)
            shown += [
                UndoneShown(
                    flow=one.key.flow,
                    kind=one.key.kind,
                    key=one.key.key,
                    title=one.title,
                    restored=list(one.restored),
                    left=dict(one.left),
                )
                for one in undone
            ]
        return UndoShown(run=number, items=shown)

    async def _rows(
        self, *, run: int | None, change: int | None, item: str | None, since: datetime | None
    ) -> list[HistoryRow]:
        store = self.hub.store
        if change is not None:
            found = await store.history(before=change + 1, limit=1)
            return [row for row in found if row.id == change]
        key = await self.views.find_one(item) if item is not None else None
        rows: list[HistoryRow] = []
        before: int | None = None
        while page := await store.history(key=key, run=run, since=since, before=before, limit=1000):
            rows += page
            before = page[-1].id
            if len(rows) > LARGEST_UNDO:
                raise RefusedError(f"more than {LARGEST_UNDO} changes: take them back in parts", code="too-many")
        return rows

    async def retry(self, *, flow: str | None = None, code: str | None = None, items: Sequence[str] = ()) -> Counted:
        store, now = self.hub.store, self.hub.clock.now()
        flows = [self.views.flow(flow)] if flow is not None else list(self.hub.flows.values())
        if items:
            keys = [await self.views.find_one(text, flow=flow) for text in items]
            count = await store.mark_state(keys, MarkState.DIRTY, due_at=now)
        else:
            count = await store.retry_parked(
                flow=flows[0].name if flow is not None else None, reason_code=code, now=now
            )
        self._ring(flows)
        return Counted(count=count)

    def _ring(self, flows: Sequence[FlowSpec]) -> None:
        for one in flows:
            self.hub.lanes.ring(one.lane)

    async def release_brake(self, brake: int, *, count: int, list_hash: str) -> Counted:
        released = await self.hub.store.release_brake(brake, count=count, list_hash=list_hash, now=self.hub.clock.now())
        self._ring(list(self.hub.flows.values()))
        return Counted(count=released)

    async def drop_brake(self, brake: int) -> Counted:
        return Counted(count=await self.hub.store.drop_brake(brake))

    async def pause(self, connection: str, *, reason: str = "paused by hand") -> None:
        await self.hub.pause(ConnectionName(connection), reason)

    async def resume(self, connection: str) -> None:
        await self.hub.resume(ConnectionName(connection))

    async def pair(self, connection: str) -> CheckShown:
        account = await self.hub.pair(ConnectionName(connection))
        return CheckShown(name=connection, state="ok", text=f"paired with {account.name} ({account.fingerprint})")

    async def link(self, flow: str, kind: str, key: str, destination_key: str) -> None:
        await link(self.hub, self.views.flow(flow), kind, key, destination_key)

    async def unlink(self, flow: str, kind: str, key: str) -> None:
        await unlink(self.hub, self.views.flow(flow), kind, key)

    async def purge(self) -> dict[str, int]:
        return dict(await self.hub.purge())

    # --- vendors ----------------------------------------------------------------------------------------------------

    async def check(self) -> list[CheckShown]:
        return [checked(name, found) for name, found in (await self.hub.check_accounts()).items()]

    async def hooks(self, action: str, connection: str | None = None) -> list[HookShown]:
        hooked = self._hooked(connection)
        if action == "ensure":
            reports = await self.hub.ensure_hooks()
            return [shown for name in hooked if name in reports for shown in reported(name, reports[name])]
        found: list[HookShown] = []
        for name, connector in hooked.items():
            try:
                if action == "remove":
                    count = await connector.remove_hooks(Permit())
                    found.append(HookShown(connection=name, scope=f"{count} of ours", state="removed"))
                elif action == "list":
                    found += await listed(name, connector)
                else:
                    raise BadRequestError("action: write list, ensure or remove")
            except BadRequestError:
                raise
            except StoreweaveError as error:
                found.append(HookShown(connection=name, scope="", state="failed", reason=without_secret(str(error))))
        return found

    def _hooked(self, connection: str | None) -> Mapping[ConnectionName, HookedConnector]:
        if connection is None:
            return self.hub.hooked
        found = self.hub.hooked.get(ConnectionName(connection))
        if found is None:
            known = ", ".join(self.hub.hooked) or "none"
            raise RefusedError(
                f"there is no connection {connection!r} with webhooks; such are: {known}", code="unknown"
            )
        return {ConnectionName(connection): found}


def _told(flow: FlowSpec, progress: Progress) -> Any:
    async def tell(side: str, found: Listing) -> None:
        progress(f"{flow.name}: {found.kind} at the {side}", found.records, None)

    return tell


def _asked(flow: FlowSpec, key: FlowKey) -> Notice:
    return Notice(connection=flow.source, kind=key.kind, key=key.key, cause=Cause.MANUAL, verify=True)
