"""Delivers a twin's webhooks to an ASGI app in the same process, without a socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

App = Callable[..., Awaitable[None]]


class Doorstep:
    """Pass ``Doorstep(app).post`` to a twin as its ``post``. ``app`` None: nobody is at home (OSError)."""

    def __init__(self, app: App | None = None) -> None:
        self.app = app

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send one request to the app; the status of its answer. Raises OSError when there is none."""
        app = self.app
        if app is None:
            raise OSError(f"nobody answers at {url}")
        parts = urlsplit(url)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": parts.scheme,
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [
                (b"host", parts.netloc.encode()),
                (b"content-length", str(len(body)).encode()),
                *((name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()),
            ],
            "client": ("127.0.0.1", 40000),
            "server": (parts.hostname or "", parts.port or 443),
        }
        inbound: list[MutableMapping[str, Any]] = [
            {"type": "http.request", "body": body, "more_body": False},
            {"type": "http.disconnect"},
        ]
        statuses: list[int] = []

        async def receive() -> MutableMapping[str, Any]:
            return inbound.pop(0) if len(inbound) > 1 else inbound[0]

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(int(message["status"]))

        await app(scope, receive, send)
        if not statuses:
            raise OSError(f"no answer from {url}")
        return statuses[0]
