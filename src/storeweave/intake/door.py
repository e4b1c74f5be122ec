"""The webhook door: ``POST /webhooks/{connection}/{secret}``, a plain ASGI callable that stands before everything else.

It answers 200 when the notices are durable, and not before. Verifying a vendor's signature is the connector's part,
keeping notices the journal's. The path's secret, the size limit and the sameness of refusals are ours: an unknown
connection, a wrong secret and a bad signature get one and the same answer (semantics 3.15), and no body is read
before the secret fits.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from storeweave.model.errors import BadRequestError, BadSignatureError
from storeweave.model.records import Notice
from storeweave.ports.clock import Clock
from storeweave.ports.connector import HookRequest

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Accept = Callable[[Sequence[Notice]], Awaitable[object]]
"""Keeps notices; they are durable when it returns."""

PREFIX: Final = "/webhooks/"
MOST_BODY_BYTES: Final = 1024 * 1024
TOLD_EVERY_S: Final = 60.0
RETRY_AFTER_S: Final = 5


class HookReceiver(Protocol):
    """The part of a connector that the door needs."""

    def receive(self, request: HookRequest, *, now: datetime) -> Sequence[Notice]:
        """Verify and translate; raises BadSignatureError or BadRequestError."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One connection's way in: the path secrets that are valid now, and who verifies what comes."""

    secrets: tuple[bytes, ...]
    receiver: HookReceiver


def path_secret(root: bytes, connection: str) -> str:
    """The unguessable part of a connection's webhook address, made from a persisted random ``root``."""
    tag = hmac.new(root, b"webhook-path\0" + connection.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(tag[:24]).decode()


def hook_url(public_url: str, connection: str, secret: str) -> str:
    """The address that a vendor is told."""
    return f"{public_url.rstrip('/')}{PREFIX}{connection}/{secret}"


def _answer(status: int, body: bytes = b"", *headers: tuple[bytes, bytes]) -> tuple[Message, Message]:
    length = (b"content-length", str(len(body)).encode())
    kind = ((b"content-type", b"application/problem+json"),) if body else ()
    return (
        {"type": "http.response.start", "status": status, "headers": [length, *kind, *headers]},
        {"type": "http.response.body", "body": body},
    )


def _problem(status: int, title: str, *headers: tuple[bytes, bytes]) -> tuple[Message, Message]:
    return _answer(status, b'{"type":"about:blank","title":"%s","status":%d}' % (title.encode(), status), *headers)


_ANSWERS: Final[Mapping[int, tuple[Message, Message]]] = {
    200: _answer(200),
    400: _problem(400, "The notice cannot be read"),
    401: _problem(401, "Unauthorized"),
    405: _problem(405, "Only POST is accepted here", (b"allow", b"POST")),
    413: _problem(413, "The notice is too large", (b"connection", b"close")),
    503: _problem(503, "The notice could not be kept; send it again", (b"retry-after", str(RETRY_AFTER_S).encode())),
}
_DISCONNECTED: Final = 499


class Door:
    """Takes notices in. Whatever is not under ``/webhooks/`` goes on to ``inner``."""

    def __init__(
        self,
        gates: Mapping[str, Gate],
        accept: Accept,
        clock: Clock,
        *,
        inner: ASGIApp | None = None,
        most_body_bytes: int = MOST_BODY_BYTES,
        answered: Counter[tuple[str, int]] | None = None,
    ) -> None:
        """``gates`` is looked at for every notice, so that its owner may change it while we run.

        ``answered`` counts answers by connection ("" when it is unknown) and status; 499: the sender went away.
        """
        self._gates = gates
        self._accept = accept
        self._clock = clock
        self._inner = inner
        self._most_body_bytes = most_body_bytes
        self._nobodys = (secrets.token_bytes(32),)
        self._told_at: dict[str, float] = {}
        self.answered: Counter[tuple[str, int]] = Counter() if answered is None else answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(PREFIX):
            if self._inner is not None:
                await self._inner(scope, receive, send)
            elif scope["type"] == "http":
                await _send(send, _problem(404, "Not found"))
            return
        name, status = await self._take(scope, path, receive)
        self.answered[name, status] += 1
        if status != _DISCONNECTED:
            await _send(send, _ANSWERS[status])

    async def _take(self, scope: Scope, path: str, receive: Receive) -> tuple[str, int]:
        """Let one notice in. The connection's name and the status to answer."""
        if scope["method"] != "POST":
            return "", 405
        name, _, rest = path[len(PREFIX) :].partition("/")
        given, _, rest = rest.partition("/")
        gate = self._gates.get(name)
        offered = given.encode("utf-8", "replace")
        fits = 0
        for secret in gate.secrets if gate is not None else self._nobodys:
            fits |= hmac.compare_digest(secret, offered)
        if gate is None:
            return "", 401
        if not fits:
            return name, 401
        headers = _headers(scope["headers"])
        declared = headers.get("content-length", "")
        if declared and (not declared.isdecimal() or len(declared) > 15 or int(declared) > self._most_body_bytes):
            return name, 413
        body = await self._read(receive)
        if not isinstance(body, bytes):
            return name, body
        return name, await self._keep(name, gate.receiver, HookRequest(headers=headers, body=body, path=rest))

    async def _read(self, receive: Receive) -> bytes | int:
        message = await receive()
        if message["type"] != "http.request":
            return _DISCONNECTED
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            parts, size = [body], len(body)
            while message.get("more_body"):
                message = await receive()
                if message["type"] != "http.request":
                    return _DISCONNECTED
                part = message.get("body", b"")
                size += len(part)
                if size > self._most_body_bytes:
                    return 413
                parts.append(part)
            body = b"".join(parts)
        return body if len(body) <= self._most_body_bytes else 413

    async def _keep(self, name: str, receiver: HookReceiver, request: HookRequest) -> int:
        try:
            notices = receiver.receive(request, now=self._clock.now())
        except BadSignatureError as error:
            self._tell(name, "door.unproven", str(error))
            return 401
        except BadRequestError as error:
            self._tell(name, "door.unreadable", str(error))
            return 400
        except Exception as error:
            # A request is one of the three doors: what a connector cannot read is the sender's fault until proven ours.
            log.exception("door.bug", connection=name, error=type(error).__name__)
            return 400
        if notices:
            try:
                await self._accept(notices)
            except Exception:
                log.exception("door.not-kept", connection=name, notices=len(notices))
                return 503
        return 200

    def _tell(self, name: str, event: str, reason: str) -> None:
        """Once a minute and connection: a wrong client secret refuses every notice, and each would fill a line."""
        now = self._clock.monotonic()
        if now - self._told_at.get(name, -TOLD_EVERY_S) >= TOLD_EVERY_S:
            self._told_at[name] = now
            log.warning(event, connection=name, reason=reason)


async def _send(send: Send, answer: tuple[Message, Message]) -> None:
    await send(answer[0])
    await send(answer[1])


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header values by lower-case name; one that comes twice is joined by a comma, as HTTP reads it."""
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    if len(found) != len(raw):
        found.clear()
        for name, value in raw:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found
