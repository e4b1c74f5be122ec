"""The routes of ``/api/v1``: thin, each asks the hub port one thing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from storeweave.app.hub_port import HubPort
from storeweave.app.problems import MEDIA_TYPE, Problem
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
    UndoShown,
)

PREFIX = "/api/v1"
Flow = Annotated[str | None, Query(description="Only this flow.")]
Kind_ = Annotated[str | None, Query(description="Only this kind: category, brand, product.")]
After = Annotated[str | None, Query(description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500, description="The most to answer with.")]
Item = Annotated[str, Path(description="An id on either side, a SKU, the start of a name, or flow/kind/id.")]
Number = Annotated[int, Path(ge=1, le=2**53)]
_PROBLEM: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: _PROBLEM | {"description": "The request makes no sense"},
    401: _PROBLEM | {"description": "The token is missing or wrong"},
    403: _PROBLEM | {"description": "Not from this machine, and no token is set"},
    404: _PROBLEM | {"description": "There is no such thing"},
    409: _PROBLEM | {"description": "It cannot be done as asked"},
    422: _PROBLEM | {"description": "The request does not have the documented form"},
    503: _PROBLEM | {"description": "Not now; try again"},
}


class Asked(BaseModel):
    """Base of request bodies."""

    model_config = ConfigDict(extra="forbid")


class SyncAsked(Asked):
    """Items to look at now, or a full pass."""

    flow: str | None = None
    items: list[str] = Field(default=[], max_length=1000)
    full: bool = False


class RunAsked(Asked):
    """A full pass of one flow, or of all."""

    flow: str | None = None


class PlanAsked(Asked):
    """What would be done now."""

    flow: str
    most: int = Field(default=200, ge=1, le=10_000)
    everything: bool = False


class UndoAsked(Asked):
    """One of: a run, a change, an item (since a time)."""

    run: int | None = Field(default=None, ge=1, le=2**53)
    change: int | None = Field(default=None, ge=1, le=2**53)
    item: str | None = None
    since: datetime | None = None


class RetryAsked(Asked):
    """Parked keys to try again: of a flow, of a cause, or by name; all when nothing is named."""

    flow: str | None = None
    code: str | None = None
    items: list[str] = Field(default=[], max_length=1000)


class ReleaseAsked(Asked):
    """What was shown: a release of anything else is refused."""

    count: int = Field(ge=0, le=2**53)
    list_hash: str


class PauseAsked(Asked):
    """Why, for whoever looks at it later."""

    reason: str = Field(default="paused by hand", max_length=500)


class HooksAsked(Asked):
    """What to do with webhook subscriptions."""

    action: Literal["ensure", "remove"]
    connection: str | None = None


class LinkAsked(Asked):
    """Two records that are the same thing."""

    flow: str
    kind: str
    key: str = Field(description="Its id at the source.", min_length=1)
    destination_key: str = Field(description="Its id at the destination.", min_length=1)


def api_router(port: HubPort) -> APIRouter:
    """All routes."""
    router = APIRouter(prefix=PREFIX, responses=PROBLEMS)
    _views(router, port)
    _items(router, port)
    _work(router, port)
    _brakes(router, port)
    _connections(router, port)
    return router


def _views(router: APIRouter, port: HubPort) -> None:
    @router.get("/status", tags=["views"])
    async def status() -> Status:
        """The state of everything."""
        return await port.status()

    @router.get("/history", tags=["views"])
    async def history(
        item: str | None = None,
        flow: Flow = None,
        run: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        since: datetime | None = None,
        after: After = None,
        limit: Limit = 50,
    ) -> HistoryPage:
        """Applied changes, newest first."""
        return await port.history(item=item, flow=flow, run=run, since=since, after=after, limit=limit)

    @router.get("/parked", tags=["views"])
    async def parked(flow: Flow = None, code: str | None = None, after: After = None, limit: Limit = 50) -> ParkedPage:
        """What waits for a person or for new content, and why."""
        return await port.parked(flow=flow, code=code, after=after, limit=limit)

    @router.get("/runs", tags=["views"])
    async def runs(flow: Flow = None, limit: Limit = 20) -> list[RunShown]:
        """Passes, newest first."""
        return await port.runs(flow=flow, limit=limit)

    @router.get("/runs/{run}", tags=["views"])
    async def run(run: Number) -> RunShown:
        """One pass."""
        return await port.run(run)


def _items(router: APIRouter, port: HubPort) -> None:
    @router.get("/items", tags=["items"])
    async def items(
        flow: Flow = None,
        kind: Kind_ = None,
        state: Annotated[str | None, Query(description="agrees, dirty, parked or held.")] = None,
        text: Annotated[str | None, Query(description="Searches id, SKU and name.", max_length=500)] = None,
        after: After = None,
        limit: Limit = 50,
    ) -> ItemPage:
        """Records."""
        return await port.items(flow=flow, kind=kind, state=state, text=text, after=after, limit=limit)

    @router.post("/items/{item:path}/sync", status_code=202, tags=["items"])
    async def sync_item(item: Item, flow: Flow = None) -> SyncStarted:
        """Look at one record on both sides now."""
        return await port.sync(flow=flow, items=[item])

    @router.get("/items/{item:path}", tags=["items"])
    async def explain(
        item: Item,
        field: Annotated[str | None, Query(description="Why is this one what it is?")] = None,
        flow: Flow = None,
        kind: Kind_ = None,
        live: Annotated[bool, Query(description="Read the source's record, too.")] = False,
    ) -> Explanation:
        """Everything that is known about one record, or the way of one of its values."""
        return await port.explain(item, field=field, flow=flow, kind=kind, live=live)

    @router.post("/links", status_code=204, tags=["items"])
    async def link(asked: LinkAsked) -> Response:
        """Say that two records are the same thing."""
        await port.link(asked.flow, asked.kind, asked.key, asked.destination_key)
        return Response(status_code=204)

    @router.delete("/links/{flow}/{kind}/{key:path}", status_code=204, tags=["items"])
    async def unlink(flow: str, kind: str, key: str) -> Response:
        """Forget a link; both records stay as they are."""
        await port.unlink(flow, kind, key)
        return Response(status_code=204)


def _work(router: APIRouter, port: HubPort) -> None:
    @router.post("/sync", status_code=202, tags=["work"])
    async def sync(asked: SyncAsked) -> SyncStarted:
        """Look at named records now, or compare whole listings; watch the runs."""
        return await port.sync(flow=asked.flow, items=asked.items, full=asked.full)

    @router.post("/runs", status_code=202, tags=["work"])
    async def start_run(asked: RunAsked) -> SyncStarted:
        """Start a full pass."""
        return await port.sync(flow=asked.flow, full=True)

    @router.post("/plan", tags=["work"])
    async def plan(asked: PlanAsked) -> PlanShown:
        """What would be written now. Reads both sides, so it takes its time; writes nothing."""
        return await port.plan(asked.flow, most=asked.most, everything=asked.everything)

    @router.post("/undo", tags=["work"])
    async def undo(asked: UndoAsked) -> UndoShown:
        """Take applied changes back, as far as nobody changed them since."""
        return await port.undo(run=asked.run, change=asked.change, item=asked.item, since=asked.since)

    @router.post("/retry", tags=["work"])
    async def retry(asked: RetryAsked) -> Counted:
        """Try parked keys again now."""
        return await port.retry(flow=asked.flow, code=asked.code, items=asked.items)

    @router.post("/purge", tags=["work"])
    async def purge() -> dict[str, int]:
        """Remove what retention no longer keeps."""
        return await port.purge()


def _brakes(router: APIRouter, port: HubPort) -> None:
    @router.get("/brakes", tags=["brakes"])
    async def brakes() -> list[BrakeShown]:
        """Guards that tripped, and what they hold."""
        return await port.brakes()

    @router.post("/brakes/{brake}/release", tags=["brakes"])
    async def release(brake: Number, asked: ReleaseAsked) -> Counted:
        """Let what it holds pass, if it still is what was shown."""
        return await port.release_brake(brake, count=asked.count, list_hash=asked.list_hash)

    @router.post("/brakes/{brake}/drop", tags=["brakes"])
    async def drop(brake: Number) -> Counted:
        """Give up what it holds; the destination keeps what it has."""
        return await port.drop_brake(brake)


def _connections(router: APIRouter, port: HubPort) -> None:
    @router.post("/check", tags=["connections"])
    async def check() -> list[CheckShown]:
        """Try every connection's credentials."""
        return await port.check()

    @router.post("/connections/{connection}/pause", status_code=204, tags=["connections"])
    async def pause(connection: str, asked: PauseAsked | None = None) -> Response:
        """No writes there until it is resumed; notices go on being kept."""
        await port.pause(connection, reason=(asked or PauseAsked()).reason)
        return Response(status_code=204)

    @router.post("/connections/{connection}/resume", status_code=204, tags=["connections"])
    async def resume(connection: str) -> Response:
        """Go on."""
        await port.resume(connection)
        return Response(status_code=204)

    @router.post("/connections/{connection}/pair", tags=["connections"])
    async def pair(connection: str) -> CheckShown:
        """Accept the account that stands behind it now."""
        return await port.pair(connection)

    @router.get("/hooks", tags=["connections"])
    async def hooks(connection: str | None = None) -> list[HookShown]:
        """Webhook subscriptions as the vendors have them."""
        return await port.hooks("list", connection)

    @router.post("/hooks", tags=["connections"])
    async def change_hooks(asked: HooksAsked) -> list[HookShown]:
        """Make the subscriptions what they should be, or remove ours."""
        return await port.hooks(asked.action, asked.connection)
