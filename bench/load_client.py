"""A client that sends signed webhooks as fast as they are answered, or at a steady pace, and clocks every answer.

``python -m bench.load_client '{"port": ...}'`` prints what it measured. Raw sockets on uvloop and a search for the end
of the headers: it costs a small part of what a server does per request. At a pace, an answer's time counts from the
moment at which its request was due, so that a server that stalls is not spared the requests it delays.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections import deque
from contextlib import suppress
from typing import cast

import msgspec
import uvloop

from bench.gauges import quantile
from storeweave.twinkit.deliveries import signature

PATIENCE_S = 10.0
"""How long after the end an answer is waited for."""


class LoadOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent where. ``per_s`` 0: each connection sends again as soon as it is answered."""

    port: int
    path: str
    secret: str
    for_s: float
    connections: int = 64
    per_s: float = 0.0
    products: int = 20_000
    warm_up_s: float = 0.5


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. Times are seconds."""

    answered: int
    refused: int
    per_s: float
    p50_s: float
    p99_s: float
    p999_s: float
    most_s: float


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._since = 0.0
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by descent
        self._load.idle(self)

    def send(self, since: float) -> None:
        assert self._transport is not None
        self._since = since
        self._transport.write(self._load.request())

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if b"\r\n\r\n" not in self._seen:  # the answers that count have no body
            return
        good, self._seen = self._seen.startswith(b"HTTP/1.1 200"), b""
        self._load.note(self._since, good=good)
        self._load.idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._load.lost()


class _Load:
    """The requests, the clock and the tally."""

    def __init__(self, order: LoadOrder) -> None:
        self._order = order
        self._secret = order.secret.encode()
        self._head = (
            f"POST {order.path} HTTP/1.1\r\nhost: 127.0.0.1:{order.port}\r\ncontent-type: application/json\r\n"
        ).encode()
        self._prefix = secrets.token_hex(6)
        self._count = 0
        self._free: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self._begins = 0.0
        self._ends = 0.0
        self._refused = 0
        self._quiet = asyncio.Event()
        self._times: list[float] = []

    def request(self) -> bytes:
        self._count += 1
        number = 1 + self._count * 7919 % self._order.products
        now = time.time()
        body = (
            b'{"scope":"store/product/updated","store_id":"1001","data":{"type":"product","id":%d},'
            b'"hash":"%040d","created_at":%d,"producer":"stores/a"}' % (number, self._count, int(now))
        )
        headers = signature(self._secret, f"msg_{self._prefix}{self._count}", now, body)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return b"%s%scontent-length: %d\r\n\r\n%s" % (self._head, lines.encode(), len(body), body)

    def note(self, since: float, *, good: bool) -> None:
        now = time.perf_counter()
        if self._begins <= since and now <= self._ends + PATIENCE_S:
            self._times.append(now - since)
            self._refused += not good

    def idle(self, connection: _Connection) -> None:
        now = time.perf_counter()
        if self._due:
            connection.send(self._due.popleft())
        elif not self._order.per_s and 0.0 < now < self._ends:
            connection.send(now)
        else:
            self._free.append(connection)
            if 0.0 < self._ends <= now and len(self._free) == self._order.connections:
                self._quiet.set()

    def lost(self) -> None:
        self._refused += 1

    async def run(self) -> LoadResult:
        order, loop = self._order, asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", order.port)
            for _ in range(order.connections)
        ]
        self._begins = time.perf_counter() + order.warm_up_s
        self._ends = self._begins + order.for_s
        if order.per_s:
            await self._paced(order.per_s)
        else:
            while self._free:
                self._free.popleft().send(time.perf_counter())
            await asyncio.sleep(order.warm_up_s + order.for_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), PATIENCE_S)
        if not self._times:
            raise RuntimeError("nothing was answered")
        refused = self._refused
        for transport, _ in made:
            transport.close()
        return LoadResult(
            answered=len(self._times),
            refused=refused,
            per_s=(len(self._times) - refused) / order.for_s,
            p50_s=quantile(self._times, 0.5),
            p99_s=quantile(self._times, 0.99),
            p999_s=quantile(self._times, 0.999),
            most_s=max(self._times, default=0.0),
        )

    async def _paced(self, per_s: float) -> None:
        due = time.perf_counter()
        while due < self._ends:
            now = time.perf_counter()
            while due <= now:
                if self._free:
                    self._free.popleft().send(due)
                else:
                    self._due.append(due)
                due += 1 / per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def main(order: LoadOrder) -> LoadResult:
    """Connect, send, measure."""
    return await _Load(order).run()


if __name__ == "__main__":
    told = msgspec.json.decode(sys.argv[1], type=LoadOrder)
    print(msgspec.json.encode(uvloop.run(main(told))).decode())
