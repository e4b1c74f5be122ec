"""Calls and answers inside a twin, and the two ways in which a call gets no answer.

The same twin is called without sockets (``inprocess``) and as an ASGI app (``asgi``); both speak these values.
Numbers are exact both ways: JSON fractions become Decimals, Decimals become JSON numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

import msgspec

JSON_HEADERS: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)

encode = _ENCODER.encode

Number = int | Decimal


class ConnectionLost(Exception):  # noqa: N818  a happening on the wire, not an error of ours
    """The connection broke; whether the call took effect is the fault plan's secret."""


class ConnectionRefused(ConnectionLost):
    """Nobody listens: the request never left its sender."""


class NoAnswer(Exception):  # noqa: N818  as above
    """Nothing will ever be answered; the caller's own deadline ends the wait.

    ``waited``: the twin has already slept until that deadline.
    """

    def __init__(self, message: str = "no answer", *, waited: bool = False) -> None:
        super().__init__(message)
        self.waited = waited


class Call:
    """One request as a twin sees it. ``path`` is decoded and has no query; header names are lower case."""

    __slots__ = ("_query", "body", "headers", "method", "path", "query_string", "timeout_s")

    def __init__(
        self,
        method: str,
        path: str,
        *,
        query_string: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout_s: float = math.inf,
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers: Mapping[str, str] = headers if headers is not None else {}
        self.body = body
        self.timeout_s = timeout_s
        self._query: dict[str, str] | None = None

    @property
    def query(self) -> dict[str, str]:
        """The query by name; of a repeated name the last, of ``name[]`` all joined by commas."""
        if self._query is None:
            found: dict[str, str] = {}
            for name, value in parse_qsl(self.query_string, keep_blank_values=True) if self.query_string else ():
                if name.endswith("[]"):
                    name = name[:-2]
                    value = f"{found[name]},{value}" if name in found else value
                found[name] = value
            self._query = found
        return self._query

    def json(self) -> Any:
        """The body; fractions as Decimals. Raises msgspec.DecodeError."""
        return _DECODER.decode(self.body)


class Answer(msgspec.Struct, gc=False):
    """One answer. ``torn``: the body stops in the middle and the connection breaks."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = JSON_HEADERS
    torn: bool = False


class Refusal(Exception):  # noqa: N818  an answer, not an error of ours
    """A call is answered with a refusal. ``errors`` maps fields to what is wrong with them."""

    def __init__(self, status: int, title: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.errors = dict(errors or {})


def decode(body: bytes) -> Any:
    """Decode JSON; fractions become Decimals. Raises msgspec.DecodeError."""
    return _DECODER.decode(body)


def rounded(value: Number, places: int = 4) -> Number:
    """A number as vendors keep it: half up to ``places``, no trailing zeros, whole numbers as int."""
    if isinstance(value, int):
        return value
    step = Decimal(1).scaleb(-places)
    value = value.quantize(step, rounding=ROUND_HALF_UP) if value.as_tuple().exponent < -places else value  # type: ignore[operator]
    whole = int(value)
    return whole if whole == value else value.normalize()
