"""A minimal twin behind both of its entrances: in the same process, and as an ASGI app."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from storeweave.model.errors import NotSentError, UnknownOutcomeError
from storeweave.ports.transport import Request
from storeweave.twinkit.asgi import CUT, Message, TwinApp
from storeweave.twinkit.faults import FaultPlan, FaultRates
from storeweave.twinkit.inprocess import InProcessTransport
from storeweave.twinkit.limits import WindowState
from storeweave.twinkit.router import Route
from storeweave.twinkit.twin import Fetched, Twin
from storeweave.twinkit.wire import Answer, Call, ConnectionLost, Refusal, encode
from tests.virtual_clock import VirtualClock


class Counter(Twin):
    """Counts up; the smallest of vendors."""

    def __init__(self, clock: VirtualClock, **more: Any) -> None:
        self.count = 0
        self.fetched: Fetched = {}
        routes = [
            Route(method="POST", template="/count", handler=Counter.up, gate="one"),
            Route(method="POST", template="/copy", handler=Counter.copy, needs=lambda call: [call.body.decode()]),
        ]
        super().__init__(routes, clock=clock, rng=random.Random(1), origin="https://counter.test", **more)

    def up(self, call: Call) -> Answer:
        if call.body == b"no":
            raise Refusal(422, "no")
        if call.body == b"json":
            call.json()
            return Answer(204)
        self.count += 1
        return Answer(200, encode({"count": self.count}))

    def copy(self, call: Call) -> Answer:
        found = self.fetched[call.body.decode()]
        return Answer(200, found) if isinstance(found, bytes) else Answer(400, found.encode())

    def world(self) -> Any:
        return self

    def authorise(self, call: Call, route: Route) -> Answer | None:
        return None if call.headers.get("token") else Answer(401)

    def refuse(self, refusal: Refusal) -> Answer:
        return Answer(refusal.status, refusal.title.encode())

    def quota_headers(self, state: WindowState) -> Mapping[str, str]:
        return {"left": str(state.left)}

    def keep_fetched(self, fetched: Fetched) -> None:
        self.fetched = fetched

    def unmetered(self, call: Call) -> Answer | None:
        return Answer(200, b"picture") if call.path == "/picture" else None


def _post(path: str, body: bytes = b"", host: str = "counter.test") -> Request:
    return Request(method="POST", url=f"https://{host}{path}", headers={"Token": "x"}, body=body)


async def test_requests_find_their_twin_by_host() -> None:
    clock = VirtualClock()
    twin = Counter(clock)
    transport = InProcessTransport([twin], clock=clock)
    answer = await transport.send(_post("/count"), timeout_s=1)
    assert (answer.status, answer.body, answer.headers["left"]) == (200, b'{"count":1}', "999999")
    with pytest.raises(NotSentError):
        await transport.send(_post("/count", host="elsewhere.test"), timeout_s=1)
    for path, body, status in (
        ("/count", b"no", 422),
        ("/count", b"json", 400),
        ("/x", b"", 404),
        ("/picture", b"", 200),
    ):
        assert (await transport.send(_post(path, body), timeout_s=1)).status == status
    assert (await transport.send(Request(method="GET", url="https://counter.test/count"), timeout_s=1)).status == 405
    assert (await transport.send(Request(method="POST", url="https://counter.test/count"), timeout_s=1)).status == 401
    assert transport.requests == 8


async def test_waiting_for_nothing_takes_the_callers_time_and_no_more() -> None:
    clock = VirtualClock()
    twin = Counter(clock)
    transport = InProcessTransport([twin], clock=clock)
    twin.faults.set(FaultRates(silent=1.0))
    with pytest.raises(UnknownOutcomeError):
        await transport.send(_post("/count"), timeout_s=4)
    assert clock.monotonic() == 4


async def test_bytes_are_fetched_before_the_handler_runs() -> None:
    clock = VirtualClock()

    async def fetch(url: str) -> bytes:
        if "broken" in url:
            raise OSError("unplugged")
        return b"far picture"

    twin = Counter(clock, fetch=fetch)
    transport = InProcessTransport([twin], clock=clock)
    for url, status, body in (
        (b"https://counter.test/picture", 200, b"picture"),
        (b"https://far.test/picture", 200, b"far picture"),
        (b"https://broken.test/picture", 400, b"https://broken.test/picture could not be fetched: unplugged"),
        (b"ftp://far.test/picture", 400, b"ftp://far.test/picture is not reachable from this store"),
    ):
        answer = await transport.send(_post("/copy", url), timeout_s=1)
        assert (answer.status, answer.body) == (status, body)


async def _ask(app: TwinApp, *, cuts: list[str] | None = None) -> list[Message]:
    sent: list[Message] = []
    inbound: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return inbound.pop(0) if inbound else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/count", "query_string": b""}
    scope["headers"] = [(b"token", b"x")]
    if cuts is not None:
        scope["extensions"] = {CUT: lambda: cuts.append("cut")}
    await app(scope, receive, send)
    return sent


async def test_as_an_asgi_app_it_answers_and_cuts_the_line() -> None:
    twin = Counter(VirtualClock())
    app = TwinApp(twin)
    start, body = await _ask(app)
    assert (start["status"], body["body"]) == (200, b'{"count":1}')
    assert (b"content-length", b"11") in start["headers"]

    cuts: list[str] = []
    twin.faults.set(FaultRates(reset_after=1.0))
    assert await _ask(app, cuts=cuts) == []
    assert (cuts, twin.count) == (["cut"], 2)
    with pytest.raises(ConnectionLost):
        await _ask(app)

    twin.faults.set(FaultRates(torn=1.0))
    start, body = await _ask(app, cuts=cuts)
    announced = int(dict(start["headers"])[b"content-length"])
    assert len(body["body"]) < announced
    assert cuts == ["cut", "cut"]

    twin.faults.set(FaultRates(silent=1.0))
    assert await _ask(app, cuts=cuts) == []
    assert len(cuts) == 3


def test_rates_of_faults_are_kept() -> None:
    plan = FaultPlan(random.Random(3), FaultRates.evenly(0.24))
    struck = sum(plan.draw("/x", is_read=False) is not None for _ in range(10_000))
    assert 2200 < struck < 2600
    assert len(plan.drawn) == 12
    plan.set(None)
    assert plan.draw("/x", is_read=True) is None
