"""HTTP over the network: the port's ``Transport`` on httpx2.

It follows no redirects, retries nothing, keeps no cookies and looks at no proxy settings in the environment. What it
adds is honesty about what may have happened: before the first byte of a request is written every failure is
NotSentError, after it UnknownOutcomeError. Which addresses may be called is the address guard's business.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx2

from storeweave.access.address_guard import AddressGuard, Target, read_origin
from storeweave.model.errors import NotSentError, RefusedError, UnknownOutcomeError
from storeweave.ports.transport import Request, Response

MOST_ANSWER_BYTES: Final = 64 * 1024 * 1024
MOST_CONNECTIONS: Final = 32
KEEP_ALIVE_S: Final = 30.0
CONNECT_TIMEOUT_S: Final = 10.0
TARGET_KEPT_S: Final = 30.0
"""How long a checked address is used again before the name is looked up anew (at once after a failed connection)."""
MOST_ORIGINS: Final = 128
_BODY_HEADERS: Final = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system's resolver, in its order. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class _Sent:
    """Whether the first byte of a request has been handed to a socket: httpx2 tells it by its trace events."""

    __slots__ = ("started",)

    def __init__(self) -> None:
        self.started = False

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.started = True


class _Origin:
    """One host and port: its connections and the address that was checked last."""

    __slots__ = ("checked_at", "pool", "target", "under_way", "used_at")

    def __init__(self, pool: httpx2.AsyncHTTPTransport, target: Target, now: float) -> None:
        self.pool = pool
        self.target: Target | None = target
        self.checked_at = now
        self.used_at = now
        self.under_way = 0


class HttpTransport:
    """The one transport of a process. ``close`` it when done."""

    def __init__(
        self,
        guard: AddressGuard,
        *,
        ssl_context: ssl.SSLContext | None = None,
        most_answer_bytes: int = MOST_ANSWER_BYTES,
        most_connections: int = MOST_CONNECTIONS,
        user_agent: str = "storeweave",
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._guard = guard
        self._ssl = ssl_context or httpx2.create_ssl_context(trust_env=False)
        self._most_answer_bytes = most_answer_bytes
        self._most_connections = most_connections
        self._user_agent = user_agent
        self._monotonic = monotonic or (lambda: asyncio.get_running_loop().time())
        self._origins: dict[tuple[str, str, int], _Origin] = {}

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        """Send and return the whole answer.

        Raises NotSentError, UnknownOutcomeError; RefusedError (code ``address-refused``) when the guard says no. An
        answer above the size limit is UnknownOutcomeError with code ``answer-too-large``.
        """
        sent = _Sent()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._send(request, sent, timeout_s)
        except TimeoutError as error:
            message = f"{_name(request)}: no whole answer within {timeout_s:g} s"
            raise (UnknownOutcomeError if sent.started else NotSentError)(message, code="timeout") from error

    async def close(self) -> None:
        """Close all connections."""
        origins, self._origins = list(self._origins.values()), {}
        for origin in origins:
            await origin.pool.aclose()

    async def _send(self, request: Request, sent: _Sent, timeout_s: float) -> Response:
        try:
            url = httpx2.URL(request.url)
        except httpx2.InvalidURL as error:
            raise RefusedError(f"{_name(request)}: {error}", code="address-refused") from error
        origin, target = await self._admitted(request.url)
        origin.under_way += 1
        origin.used_at = self._monotonic()
        try:
            return await self._try_addresses(request, url, origin, target, sent, timeout_s)
        finally:
            origin.under_way -= 1

    async def _admitted(self, url: str) -> tuple[_Origin, Target]:
        """The connections for this URL's host, with an address checked not long ago."""
        key = read_origin(url)
        origin, now = self._origins.get(key), self._monotonic()
        if origin is not None and origin.target is not None and now - origin.checked_at < TARGET_KEPT_S:
            return origin, origin.target
        target = await self._guard.admit(url)
        origin = self._origins.get(key)
        if origin is None:
            await self._make_room()
            origin = self._origins[key] = _Origin(self._new_pool(), target, now)
        origin.target, origin.checked_at = target, now
        return origin, target

    def _new_pool(self) -> httpx2.AsyncHTTPTransport:
        limits = httpx2.Limits(
            max_connections=self._most_connections,
            max_keepalive_connections=self._most_connections,
            keepalive_expiry=KEEP_ALIVE_S,
        )
        # One pool per host: two hosts behind one address must not share a TLS connection checked for one of them.
        return httpx2.AsyncHTTPTransport(verify=self._ssl, trust_env=False, limits=limits, retries=0)

    async def _make_room(self) -> None:
        if len(self._origins) < MOST_ORIGINS:
            return
        idle = [(o.used_at, key) for key, o in self._origins.items() if not o.under_way]
        if idle:
            await self._origins.pop(min(idle)[1]).pool.aclose()

    async def _try_addresses(
        self, request: Request, url: httpx2.URL, origin: _Origin, target: Target, sent: _Sent, timeout_s: float
    ) -> Response:
        """Connect to the addresses in turn, as long as nothing was sent; then send and read."""
        failure: httpx2.HTTPError | None = None
        for address in target.addresses:
            try:
                there = url.copy_with(scheme=target.scheme, host=address, port=target.port)
                return await self._exchange(request, there, target, origin.pool, sent, timeout_s)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
            except httpx2.PoolTimeout as error:
                raise NotSentError(f"{_name(request)}: no free connection", code="pool") from error
            except (httpx2.HTTPError, httpx2.StreamError) as error:
                raise _verdict(request, error, sent) from error
        origin.target = None  # looked up and checked again before the next attempt
        raise NotSentError(f"{_name(request)}: cannot connect: {failure}", code="connect") from failure

    async def _exchange(
        self,
        request: Request,
        url: httpx2.URL,
        target: Target,
        pool: httpx2.AsyncHTTPTransport,
        sent: _Sent,
        timeout_s: float,
    ) -> Response:
        headers = {"host": _host_header(target), "user-agent": self._user_agent, "accept-encoding": "gzip"}
        headers.update((name.lower(), value) for name, value in request.headers.items())
        # Connecting gives up before the whole call does: a handshake that is cancelled from outside leaks its socket.
        connect_s = min(CONNECT_TIMEOUT_S, timeout_s * 0.8 / len(target.addresses))
        timeouts = {"connect": connect_s, "pool": timeout_s, "read": None, "write": None}
        call = httpx2.Request(
            request.method,
            url,
            headers=headers,
            content=request.body,
            extensions={"sni_hostname": target.host, "trace": sent.trace, "timeout": timeouts},
        )
        answer = await pool.handle_async_request(call)
        answer.request = call
        try:
            body = await self._read(request, answer)
        finally:
            await answer.aclose()
        kept = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in _BODY_HEADERS}
        return Response(status=answer.status_code, headers=kept, body=body)

    async def _read(self, request: Request, answer: httpx2.Response) -> bytes:
        parts, size = [], 0
        async for part in answer.aiter_bytes():
            size += len(part)
            if size > self._most_answer_bytes:
                raise UnknownOutcomeError(
                    f"{_name(request)}: the answer is larger than {self._most_answer_bytes} bytes",
                    code="answer-too-large",
                )
            parts.append(part)
        return b"".join(parts)


def _verdict(request: Request, error: Exception, sent: _Sent) -> NotSentError | UnknownOutcomeError | RefusedError:
    if isinstance(error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol):
        return RefusedError(f"{_name(request)}: not a request that can be sent: {error}", code="malformed-request")
    kind = UnknownOutcomeError if sent.started else NotSentError
    return kind(f"{_name(request)}: {type(error).__name__}: {error}", code="connection")


def _name(request: Request) -> str:
    """The request in messages: without its query, which may hold a token."""
    return f"{request.method} {request.url.partition('?')[0]}"


def _host_header(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    standard = {"https": 443, "http": 80}[target.scheme]
    return host if target.port == standard else f"{host}:{target.port}"
