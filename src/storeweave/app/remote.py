"""The hub port by way of a running server's HTTP API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import TypeAdapter

from storeweave.access.secrets import Secret
from storeweave.app.hub_port import Progress, no_progress
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
from storeweave.model.errors import (
    BadRequestError,
    ConfigError,
    LaneBlockedError,
    RefusedError,
    StoreweaveError,
    TransientError,
)

T = TypeVar("T")
PREFIX = "/api/v1"
FOUND_WITHIN_S = 1.0
ANSWERED_WITHIN_S = 3600.0
"""A plan or an undo of a large shop takes its time; a dead server breaks the connection."""


class RemoteHub:
    """A HubPort."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def status(self) -> Status:
        return await self._get("/status", Status)

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
        return await self._get(
            "/items", ItemPage, flow=flow, kind=kind, state=state, text=text, after=after, limit=limit
        )

    async def explain(
        self,
        item: str,
        *,
        field: str | None = None,
        flow: str | None = None,
        kind: str | None = None,
        live: bool = False,
    ) -> Explanation:
        path = f"/items/{quote(item)}"
        return await self._get(path, Explanation, field=field, flow=flow, kind=kind, live=live or None)

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
        since_text = since.isoformat() if since else None
        return await self._get(
            "/history", HistoryPage, item=item, flow=flow, run=run, since=since_text, after=after, limit=limit
        )

    async def parked(
        self, *, flow: str | None = None, code: str | None = None, after: str | None = None, limit: int = 50
    ) -> ParkedPage:
        return await self._get("/parked", ParkedPage, flow=flow, code=code, after=after, limit=limit)

    async def brakes(self) -> list[BrakeShown]:
        return await self._get("/brakes", list[BrakeShown])

    async def runs(self, *, flow: str | None = None, limit: int = 20) -> list[RunShown]:
        return await self._get("/runs", list[RunShown], flow=flow, limit=limit)

    async def run(self, run: int) -> RunShown:
        return await self._get(f"/runs/{run}", RunShown)

    async def plan(
        self, flow: str, *, most: int = 200, everything: bool = False, progress: Progress = no_progress
    ) -> PlanShown:
        progress(f"{flow}: the server compares both sides", 0, None)
        return await self._post("/plan", PlanShown, {"flow": flow, "most": most, "everything": everything})

    async def sync(
        self,
        *,
        flow: str | None = None,
        items: Sequence[str] = (),
        full: bool = False,
        progress: Progress = no_progress,
    ) -> SyncStarted:
        progress("asking the server", 0, None)
        return await self._post("/sync", SyncStarted, {"flow": flow, "items": list(items), "full": full})

    async def undo(
        self,
        *,
        run: int | None = None,
        change: int | None = None,
        item: str | None = None,
        since: datetime | None = None,
    ) -> UndoShown:
        since_text = since.isoformat() if since else None
        return await self._post("/undo", UndoShown, {"run": run, "change": change, "item": item, "since": since_text})

    async def retry(self, *, flow: str | None = None, code: str | None = None, items: Sequence[str] = ()) -> Counted:
        return await self._post("/retry", Counted, {"flow": flow, "code": code, "items": list(items)})

    async def release_brake(self, brake: int, *, count: int, list_hash: str) -> Counted:
        return await self._post(f"/brakes/{brake}/release", Counted, {"count": count, "list_hash": list_hash})

    async def drop_brake(self, brake: int) -> Counted:
        return await self._post(f"/brakes/{brake}/drop", Counted)

    async def pause(self, connection: str, *, reason: str = "paused by hand") -> None:
        await self._send("POST", f"/connections/{quote(connection, safe='')}/pause", {"reason": reason})

    async def resume(self, connection: str) -> None:
        await self._send("POST", f"/connections/{quote(connection, safe='')}/resume")

    async def pair(self, connection: str) -> CheckShown:
        return await self._post(f"/connections/{quote(connection, safe='')}/pair", CheckShown)

    async def hooks(self, action: str, connection: str | None = None) -> list[HookShown]:
        if action == "list":
            return await self._get("/hooks", list[HookShown], connection=connection)
        return await self._post("/hooks", list[HookShown], {"action": action, "connection": connection})

    async def link(self, flow: str, kind: str, key: str, destination_key: str) -> None:
        asked = {"flow": flow, "kind": kind, "key": key, "destination_key": destination_key}
        await self._send("POST", "/links", asked)

    async def unlink(self, flow: str, kind: str, key: str) -> None:
        await self._send("DELETE", f"/links/{quote(flow, safe='')}/{quote(kind, safe='')}/{quote(key)}")

    async def check(self) -> list[CheckShown]:
        return await self._post("/check", list[CheckShown])

    async def purge(self) -> dict[str, int]:
        return await self._post("/purge", dict[str, int])

    async def _get(self, path: str, shown: type[T], **query: str | int | bool | None) -> T:
        given = {name: value for name, value in query.items() if value is not None}
        return _read(shown, await self._send("GET", path, query=given))

    async def _post(self, path: str, shown: type[T], body: dict[str, Any] | None = None) -> T:
        return _read(shown, await self._send("POST", path, body))

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None = None, query: dict[str, Any] | None = None
    ) -> bytes:
        try:
            answer = await self._client.request(method, PREFIX + path, json=body, params=query)
        except httpx2.HTTPError as error:
            raise TransientError(f"the server at {self._client.base_url} does not answer: {error}") from error
        if answer.is_success:
            return answer.content
        raise _error(answer)


def _read(shown: type[T], raw: bytes) -> T:
    found: T = TypeAdapter(shown).validate_json(raw)
    return found


def _error(answer: httpx2.Response) -> StoreweaveError:
    """The error that the server meant."""
    try:
        problem = answer.json()
        detail, code = str(problem["detail"]), str(problem["code"])
    except (ValueError, KeyError, TypeError):
        return TransientError(f"the server answered {answer.status_code} without a reason")
    if answer.status_code in {401, 403}:
        return ConfigError(f"the server does not let us in: {detail}")
    kinds: dict[int, type[StoreweaveError]] = {
        400: BadRequestError, 422: BadRequestError, 404: RefusedError, 409: RefusedError, 502: LaneBlockedError,
        503: TransientError,
    }  # fmt: skip
    if code == "config":
        return ConfigError(detail)
    return kinds.get(answer.status_code, StoreweaveError)(detail, code=code)


@asynccontextmanager
async def server_at(listen: tuple[str, int], identity: str, token: Secret | None) -> AsyncIterator[RemoteHub | None]:
    """The server of this machine that listens there and works on the database of this identity, or None."""
    host, port = listen
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - everywhere is here, too
    base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    headers = {"authorization": f"Bearer {token.reveal()}"} if token is not None else {}
    timeout = httpx2.Timeout(ANSWERED_WITHIN_S, connect=FOUND_WITHIN_S)
    async with httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=timeout, trust_env=False) as client:
        yield RemoteHub(client) if await _is_ours(client, identity) else None


async def _is_ours(client: httpx2.AsyncClient, identity: str) -> bool:
    try:
        answer = await client.get("/healthz", timeout=FOUND_WITHIN_S)
        return answer.is_success and answer.json().get("hub") == identity
    except (httpx2.HTTPError, ValueError, AttributeError):
        return False
