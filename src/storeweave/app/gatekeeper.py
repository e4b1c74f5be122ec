"""Who may use the HTTP API: with a token whoever shows it, without one only people on this very machine.

A proxy or tunnel on this machine makes strangers look local, and a page in a local browser can send requests, too; so
without a token a request must come from loopback, name a loopback host, carry no sign of a proxy and no foreign origin.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from storeweave.access.secrets import Secret
from storeweave.app.problems import problem
from storeweave.intake.door import ASGIApp, Receive, Scope, Send

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
_PROXY_SIGNS: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via",
                       "cf-connecting-ip", "true-client-ip")  # fmt: skip


class Gatekeeper:
    """Stands before the API, the metrics and the docs; ``/healthz`` and ``/readyz`` are open to everybody."""

    def __init__(self, inner: ASGIApp, token: Secret | None) -> None:
        self._inner = inner
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._inner(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self._inner(scope, receive, send)
            return
        status, detail = refusal
        headers = {"www-authenticate": "Bearer"} if status == 401 else {}
        await problem(status, detail, "unauthorized" if status == 401 else "not-local", headers=headers)(
            scope, receive, send
        )

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        if self._token is not None:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() == "bearer" and self._token.matches(given.strip()):
                return None
            return 401, "send hub.api_token as Authorization: Bearer ..."
        if not _is_local(scope, headers):
            return 403, "without hub.api_token this is open to requests from this machine only; set one to open it"
        return None


def _is_local(scope: Scope, headers: Headers) -> bool:
    client = scope.get("client")
    if client is not None and not _is_loopback(client[0]):
        return False
    if any(name in headers for name in _PROXY_SIGNS):
        return False
    host = _host(headers.get("host", ""))
    if not _is_loopback(host):
        return False
    origin = headers.get("origin")
    return origin is None or _same_origin(origin, headers.get("host", ""))


def _host(value: str) -> str:
    """The host of a Host header, without its port."""
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _same_origin(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False
