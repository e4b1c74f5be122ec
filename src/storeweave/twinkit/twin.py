"""The way of a call through a twin: log, outage, token, quota, faults, caps, fetches, handler.

A vendor's twin subclasses ``Twin`` and says how it checks tokens and how its refusals and headers look. Handlers are
plain functions on the vendor's state and atomic; everything that waits happens here.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import msgspec

from storeweave.ports.clock import Clock
from storeweave.twinkit.calls import CallLog
from storeweave.twinkit.faults import HAS_EFFECT, Drawn, Fault, FaultPlan
from storeweave.twinkit.landing import Landings
from storeweave.twinkit.limits import Gates, QuotaWindow, WindowState
from storeweave.twinkit.router import Route, Router
from storeweave.twinkit.wire import Answer, Call, ConnectionLost, ConnectionRefused, NoAnswer, Refusal, encode

Fetch = Callable[[str], Awaitable[bytes]]
Fetched = Mapping[str, bytes | str]  # by URL: the bytes, or why they could not be had

CONTROL = "/__twin__/"
NOTHING: Fetched = MappingProxyType({})
HTML_HEADERS = msgspec.structs.replace(Answer(200), headers={"content-type": "text/html"}).headers
PAGE = b"<!DOCTYPE html><html><head><title>One moment, please</title></head><body>Checking your browser.</body></html>"


class Twin(ABC):
    """One account of one vendor, imitated."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        clock: Clock,
        rng: random.Random,
        origin: str,
        quota: int | None = None,
        window_s: float = 30.0,
        caps: Mapping[str, int] | None = None,
        latency_s: float = 0.0,
        fetch: Fetch | None = None,
    ) -> None:
        self.clock = clock
        self.origin = origin
        self.calls = CallLog()
        self.faults = FaultPlan(rng)
        self.landings = Landings()
        self.window = QuotaWindow(quota, window_s=window_s)
        self.gates = Gates(caps or {})
        self.latency_s = latency_s
        self.neighbours: dict[str, Twin] = {}
        self._router = Router(routes)
        self._fetch = fetch

    @property
    def host(self) -> str:
        """Host and port by which this twin is reached."""
        return urlsplit(self.origin).netloc

    # What a vendor's twin says.

    @abstractmethod
    def world(self) -> Any:
        """What handlers get as their first argument."""

    @abstractmethod
    def authorise(self, call: Call, route: Route) -> Answer | None:
        """None when the token allows this; else the refusal."""

    @abstractmethod
    def refuse(self, refusal: Refusal) -> Answer:
        """The vendor's form of a refusal."""

    @abstractmethod
    def quota_headers(self, state: WindowState) -> Mapping[str, str]:
        """The vendor's headers about the quota."""

    @abstractmethod
    def keep_fetched(self, fetched: Fetched) -> None:
        """Bytes that the next handler may need."""

    def unmetered(self, call: Call) -> Answer | None:
        """Answers outside the API (images, control); None: not one of those."""
        del call
        return None

    def control(self, call: Call) -> Answer:
        """Answers to whoever steers this twin (tests, demos); no vendor has these."""
        del call
        return Answer(404, b"", {})

    def do(self, method: str, path: str, body: Any = None, *, fetched: Fetched | None = None) -> Answer:
        """Do as the merchant does in the control panel: the same effects, but no token, quota, fault or count.

        ``path`` may carry a query; ``fetched`` are the bytes of URLs that the body names.
        """
        self.settle()
        path, _, query = path.partition("?")
        call = Call(method, path, query_string=query, body=encode(body) if body is not None else b"")
        route, ids, _ = self._router.find(method, path)
        if route is None:
            return self.refuse(Refusal(404, f"no such operation: {method} {path}"))
        return self._run(call, route, ids, fetched or NOTHING)

    # The way of a call.

    def settle(self) -> None:
        """Let everything take effect that is due."""
        self.landings.apply_due(self.clock.monotonic())

    async def answer(self, call: Call) -> Answer:
        """Answer one call. Raises ConnectionLost or NoAnswer when the fault plan says so."""
        now = self.clock.monotonic()
        if self.landings.next_at is not None:
            self.landings.apply_due(now)
        if call.path.startswith(CONTROL):
            return self.control(call)
        if self.faults.outage is not None:
            return self._out_of_order(call, self.faults.outage, now)
        special = self.unmetered(call)
        if special is not None:
            self.calls.unmetered += 1
            return special
        route, ids, known = self._router.find(call.method, call.path)
        if route is None:
            refused = self.refuse(Refusal(405 if known else 404, "The resource was not found."))
            self.calls.note(call.method, "?", refused.status, is_read=True, at_s=now)
            return refused
        try:
            answer = await self._admitted(call, route, ids, now)
        except (ConnectionLost, NoAnswer):
            self.calls.note(call.method, route.label, 0, is_read=route.is_read, at_s=now)
            raise
        self.calls.note(call.method, route.label, answer.status, is_read=route.is_read, at_s=now)
        return answer

    async def _admitted(self, call: Call, route: Route, ids: tuple[int, ...], now: float) -> Answer:
        refused = self.authorise(call, route)
        if refused is not None:
            return refused
        state = self.window.take(now)
        if not state.allowed:
            return self._limited(state)
        drawn = self.faults.draw(route.template, is_read=route.is_read)
        if drawn is not None and drawn.fault is Fault.LIMITED:
            return self._limited(self.window.exhaust(now))
        gate = route.gate or "all"
        if not self.gates.enter(gate):
            return self.refuse(Refusal(429, "Too many requests of this kind at once."))
        try:
            if self.latency_s:
                await self.clock.sleep(self.latency_s)
            fetched = await self._fetched(call, route) if route.needs is not None else NOTHING
            if drawn is None:
                answer = self._run(call, route, ids, fetched)
            else:
                answer = await self._struck(call, route, ids, fetched, drawn)
        finally:
            self.gates.leave(gate)
        if drawn is not None and drawn.fault in {Fault.OVERLOADED, Fault.PAGE}:
            return answer  # not the API speaks, but what stands before it
        headers = {**answer.headers, **self.quota_headers(state)}
        return Answer(answer.status, answer.body, headers, answer.torn)

    def _run(self, call: Call, route: Route, ids: tuple[int, ...], fetched: Fetched) -> Answer:
        self.keep_fetched(fetched)
        try:
            return route.handler(self.world(), call, *ids)
        except Refusal as refusal:
            return self.refuse(refusal)
        except msgspec.DecodeError as error:
            return self.refuse(Refusal(400, f"The body is not JSON: {error}"))

    def _land(self, call: Call, route: Route, ids: tuple[int, ...], fetched: Fetched, delay_s: float) -> None:
        """Let the call take effect later; nobody is left to hear its answer."""

        def effect() -> None:
            self.authorise(call, route)
            self._run(call, route, ids, fetched)

        self.landings.add(self.clock.monotonic() + delay_s, effect)

    async def _struck(self, call: Call, route: Route, ids: tuple[int, ...], fetched: Fetched, drawn: Drawn) -> Answer:
        """Play one fault. 429 with headers has been played before."""
        fault = drawn.fault
        if fault is Fault.SLOW:
            await self._slowly(call, route, ids, fetched, drawn.delay_s)
        if fault is Fault.LATE:
            self._land(call, route, ids, fetched, drawn.delay_s)
            raise NoAnswer
        answer = self._run(call, route, ids, fetched) if fault in HAS_EFFECT else Answer(200)
        if fault in {Fault.RESET_BEFORE, Fault.RESET_AFTER}:
            raise ConnectionLost(fault)
        if fault is Fault.SILENT:
            raise NoAnswer
        if fault is Fault.TORN:
            return Answer(answer.status, answer.body[: int(len(answer.body) * drawn.chance)], answer.headers, torn=True)
        if fault is Fault.PAGE:
            return Answer(200, PAGE, HTML_HEADERS)
        if fault is Fault.ERROR_200:
            return Answer(200, b'{"status":500,"title":"Something went wrong.","type":"about:blank","errors":{}}')
        if fault is Fault.OVERLOADED:
            return Answer(429, b"", {})
        if fault is Fault.FAILED_BEFORE:
            return self.refuse(Refusal(500 if drawn.chance < 0.5 else 503, "Internal error"))
        if fault is Fault.FAILED_AFTER:
            return self.refuse(Refusal((500, 502, 504)[int(drawn.chance * 3)], "Internal error"))
        return answer

    async def _slowly(self, call: Call, route: Route, ids: tuple[int, ...], fetched: Fetched, delay_s: float) -> None:
        """Wait; when the caller gives up first, the effect lands all the same."""
        if delay_s < call.timeout_s:
            await self.clock.sleep(delay_s)
            return
        self._land(call, route, ids, fetched, delay_s)
        await self.clock.sleep(call.timeout_s)
        raise NoAnswer("slower than the caller waits", waited=True)

    def _limited(self, state: WindowState) -> Answer:
        answer = self.refuse(Refusal(429, "You have exceeded your rate limit."))
        return Answer(429, answer.body, {**answer.headers, **self.quota_headers(state)})

    def _out_of_order(self, call: Call, outage: str, now: float) -> Answer:
        is_read = call.method == "GET"
        status = int(outage) if outage.isdecimal() else 0
        self.calls.note(call.method, "outage", status, is_read=is_read, at_s=now)
        if outage == "refused":
            raise ConnectionRefused("outage")
        if outage == "reset":
            raise ConnectionLost("outage")
        if outage == "silent":
            raise NoAnswer("outage")
        return Answer(status, b"", {})

    async def _fetched(self, call: Call, route: Route) -> Fetched:
        """The bytes behind the URLs of a call: of neighbours directly, of others by the injected fetch."""
        found: dict[str, bytes | str] = {}
        for url in route.needs(call) if route.needs is not None else ():
            if url not in found:
                found[url] = await self.fetch_url(url)
        return found

    async def fetch_url(self, url: str) -> bytes | str:
        """Bytes of a URL, or a sentence why they cannot be had."""
        parts = urlsplit(url)
        neighbour = self if parts.netloc == self.host else self.neighbours.get(parts.netloc)
        try:
            if neighbour is not None and neighbour.faults.outage is not None:
                return f"{url} cannot be reached"
            if neighbour is not None:
                answer = neighbour.unmetered(Call("GET", parts.path, query_string=parts.query))
                return answer.body if answer is not None and answer.status == 200 else f"nothing at {url}"
            if self._fetch is not None and parts.scheme in {"http", "https"}:
                return await self._fetch(url)
        except (ConnectionLost, NoAnswer, OSError) as error:
            return f"{url} could not be fetched: {error}"
        return f"{url} is not reachable from this store"
