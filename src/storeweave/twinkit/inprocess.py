"""The Transport port on twins in the same process: no sockets, little overhead, routes by host name."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from storeweave.model.errors import NotSentError, UnknownOutcomeError
from storeweave.ports.clock import Clock
from storeweave.ports.transport import Request, Response
from storeweave.twinkit.twin import Twin
from storeweave.twinkit.wire import Call, ConnectionLost, ConnectionRefused, NoAnswer


class InProcessTransport:
    """Sends requests to twins by the host of their ``origin`` and makes the twins each other's neighbours.

    A torn answer is what a client sees that counts bytes: UnknownOutcomeError. ``requests`` counts everything sent.
    """

    def __init__(self, twins: Iterable[Twin], *, clock: Clock) -> None:
        self._clock = clock
        self._twins = {twin.host: twin for twin in twins}
        self.requests = 0
        for twin in self._twins.values():
            twin.neighbours = self._twins

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        """Send one request. Raises as the port says."""
        self.requests += 1
        _, _, rest = request.url.partition("://")
        host, _, target = rest.partition("/")
        path, _, query = target.partition("?")
        twin = self._twins.get(host)
        if twin is None:
            raise NotSentError(f"no such host: {host}")
        headers = {name.lower(): value for name, value in request.headers.items()}
        path = f"/{unquote(path)}" if "%" in path else f"/{path}"
        call = Call(request.method, path, query_string=query, headers=headers, body=request.body, timeout_s=timeout_s)
        try:
            answer = await twin.answer(call)
        except ConnectionRefused as error:
            raise NotSentError(f"{host} refused the connection") from error
        except ConnectionLost as error:
            raise UnknownOutcomeError(f"{host} broke the connection") from error
        except NoAnswer as error:
            if not error.waited:
                await self._clock.sleep(timeout_s)
            raise UnknownOutcomeError(f"{host} gave no answer within {timeout_s:g} s") from error
        if answer.torn:
            raise UnknownOutcomeError(f"{host} broke off in the middle of an answer")
        return Response(status=answer.status, headers=answer.headers, body=answer.body)
