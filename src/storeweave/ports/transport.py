"""HTTP as an argument: one request, one answer, a deadline. No redirects, no retries, no cookies.

Implementations: the httpx2 one in ``app``, the in-process one in ``twinkit`` that runs twins without sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call, ready to send. ``url`` is absolute, with its query."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, whole. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Transport(Protocol):
    """Sends one request and waits for its whole answer."""

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        """Send and return the answer, whatever its status.

        Raises NotSentError when the request certainly never left (name look-up, connect, TLS), and
        UnknownOutcomeError when it may have arrived (timeout, reset, torn answer).
        """
