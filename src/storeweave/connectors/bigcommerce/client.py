"""HTTP to one store: address, token, deadline, call budget, verdicts. Reads are repeated at once, writes never are.

What the calls mean is the business of the modules that make them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from storeweave.connectors.bigcommerce.settings import BigCommerceSettings
from storeweave.connectors.bigcommerce.verdicts import SYSTEM, problem_of, problem_text, redacted, verdict
from storeweave.model.errors import RateLimitedError, TransientError, UnknownOutcomeError
from storeweave.ports.clock import Clock
from storeweave.ports.permit import CallBudget, Permit
from storeweave.ports.transport import Request, Response, Transport

T = TypeVar("T")
Params = Sequence[tuple[str, str | int]]

OVERLOADED_WAIT_S = 30.0  # a 429 without quota headers: the whole store is overloaded, so keep away longer
OVERLOADED_WAIT_MAX_S = 300.0
LIMITED_WAIT_MAX_S = 600.0
REPEAT_AFTER_S = 0.1  # a read without a usable answer, the first time; three times as long each further time
REPEAT_LIMITED_S = 5.0  # a read that was told to wait at most so long waits and goes on

_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Answer(msgspec.Struct, frozen=True):
    """A 2xx answer. ``problem``: 207, saved in part; the sentence says what was not."""

    status: int
    body: bytes
    problem: str | None = None


class Client:
    """Calls of one store."""

    def __init__(
        self, settings: BigCommerceSettings, *, transport: Transport, budget: CallBudget, clock: Clock
    ) -> None:
        self._root = f"{settings.api_url}/stores/{settings.store_hash}"
        token = settings.access_token.get_secret_value()
        self._headers: Mapping[str, str] = {"x-auth-token": token, "accept": "application/json"}
        self._write_headers: Mapping[str, str] = {**self._headers, "content-type": "application/json"}
        self._secrets = tuple(
            s.get_secret_value() for s in (settings.access_token, settings.client_secret, settings.hook_secret) if s
        )
        self._transport = transport
        self._budget = budget
        self._clock = clock
        self._timeout_s = settings.request_timeout_s
        self._overloads = 0

    async def read(
        self, path: str, permit: Permit, decoder: msgspec.json.Decoder[T], params: Params = (), *, version: str = "v3"
    ) -> T:
        """GET and decode. Raises TransientError for anything that is not the answer we asked for, repeated in vain."""
        wait_s = REPEAT_AFTER_S
        for _ in range(permit.repeats):
            try:
                return await self._read_once(path, permit, decoder, params, version)
            except RateLimitedError as error:
                if (error.wait_s or 0.0) > REPEAT_LIMITED_S:
                    raise
            except TransientError:
                await self._clock.sleep(wait_s)
                wait_s *= 3
        return await self._read_once(path, permit, decoder, params, version)

    async def _read_once(
        self, path: str, permit: Permit, decoder: msgspec.json.Decoder[T], params: Params, version: str
    ) -> T:
        response = await self.get(path, permit, params, version=version)
        return self.decoded_read(response, decoder, f"GET {path}")

    async def get(self, path: str, permit: Permit, params: Params = (), *, version: str = "v3") -> Response:
        """GET; the answer is 200."""
        what = f"GET {path}"
        await self._budget.spend(permit.priority)
        try:
            response = await self._send(
                Request(method="GET", url=self._url(version, path, params), headers=self._headers)
            )
        except UnknownOutcomeError as error:
            raise TransientError(f"{SYSTEM} gave no answer to {what}: {error}") from error
        if response.status != 200:
            raise self._verdict(response, what, is_write=False)
        return response

    async def write(
        self, method: str, path: str, permit: Permit, body: Any = None, params: Params = (), *, expect: Sequence[int]
    ) -> Answer:
        """Send a write once. Every answer that is neither expected, nor 207, nor a refusal is an unknown outcome."""
        what = f"{method} {path}"
        await self._budget.spend(permit.priority)
        permit.check()
        sent = Request(
            method=method,
            url=self._url("v3", path, params),
            headers=self._headers if body is None else self._write_headers,
            body=b"" if body is None else _ENCODER.encode(body),
        )
        response = await self._send(sent)
        if response.status == 207:
            problem = problem_of(response.body)
            text = problem_text(problem.get("errors")) if isinstance(problem, dict) else ""
            return Answer(207, response.body, redacted(text, self._secrets) or "saved in part")
        if response.status in expect:
            return Answer(response.status, response.body)
        if response.status < 400:
            raise UnknownOutcomeError(f"{SYSTEM} answered {response.status} to {what}, which says nothing about it")
        raise self._verdict(response, what, is_write=True)

    def decoded_write(self, answer: Answer, decoder: msgspec.json.Decoder[T], what: str) -> T:
        """What a write's answer shows. Raises UnknownOutcomeError when it shows something else than it should."""
        try:
            return decoder.decode(answer.body)
        except msgspec.DecodeError as error:
            raise UnknownOutcomeError(f"{SYSTEM} answered {what} with something else: {error}") from error

    async def fetch(self, url: str, permit: Permit) -> Response:
        """GET any address without our token and outside the budget (pictures on the vendor's content network)."""
        del permit
        try:
            return await self._transport.send(Request(method="GET", url=url), timeout_s=self._timeout_s)
        except UnknownOutcomeError as error:
            raise TransientError(f"no answer from {url}: {error}") from error

    def _url(self, version: str, path: str, params: Params) -> str:
        query = "&".join(f"{quote(name, safe=':')}={quote(str(value), safe=',:')}" for name, value in params)
        return f"{self._root}/{version}{path}?{query}" if query else f"{self._root}/{version}{path}"

    async def _send(self, request: Request) -> Response:
        response = await self._transport.send(request, timeout_s=self._timeout_s)
        headers = response.headers
        reset_ms = _number(headers, "x-rate-limit-time-reset-ms")
        left, quota = _number(headers, "x-rate-limit-requests-left"), _number(headers, "x-rate-limit-requests-quota")
        if left is not None or quota is not None or reset_ms is not None:
            self._budget.learn(left=left, quota=quota, reset_s=None if reset_ms is None else reset_ms / 1000)
        if response.status != 429:
            self._overloads = 0
        return response

    def _verdict(self, response: Response, what: str, *, is_write: bool) -> Exception:
        wait_s = 0.0
        if response.status == 429:
            wait_s = self._wait_after_429(response.headers)
            self._budget.hold(wait_s)
        return verdict(response, what=what, is_write=is_write, wait_s=wait_s, secrets=self._secrets)

    def _wait_after_429(self, headers: Mapping[str, str]) -> float:
        reset_ms = _number(headers, "x-rate-limit-time-reset-ms")
        if reset_ms is not None:
            return min(max(reset_ms / 1000, 0.1), LIMITED_WAIT_MAX_S)
        self._overloads += 1
        grown_s: float = OVERLOADED_WAIT_S * 2 ** min(self._overloads - 1, 6)
        asked_s = _number(headers, "retry-after") or 0
        return min(max(grown_s, asked_s), OVERLOADED_WAIT_MAX_S)

    def decoded_read(self, response: Response, decoder: msgspec.json.Decoder[T], what: str) -> T:
        try:
            return decoder.decode(response.body)
        except msgspec.DecodeError as error:
            raise TransientError(f"{SYSTEM} answered {what} with something else: {error}") from error


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None
