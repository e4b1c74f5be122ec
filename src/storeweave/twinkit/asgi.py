"""A twin as a plain ASGI app.

ASGI has no word for a broken connection. The app asks the server to cut it through the extension ``storeweave.cut``
(a function; ``serving`` provides it for uvicorn). Without that extension a lost connection raises out of the app.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from storeweave.twinkit.twin import Twin
from storeweave.twinkit.wire import Answer, Call, ConnectionLost, NoAnswer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CUT = "storeweave.cut"


class TwinApp:
    """Serves one twin. ``hold_s``: how long a call that gets no answer is held before the line is cut."""

    def __init__(self, twin: Twin, *, hold_s: float = 120.0) -> None:
        self.twin = twin
        self._hold_s = hold_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; lifespan is acknowledged and otherwise ignored."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        body = await _body(receive)
        call = Call(
            scope["method"],
            scope["path"],
            query_string=scope["query_string"].decode("latin-1"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
        )
        try:
            answer = await self.twin.answer(call)
        except ConnectionLost:
            await _cut(scope, receive)
            return
        except NoAnswer:
            await _hold(receive, self._hold_s)
            await _cut(scope, receive)
            return
        await _reply(answer, send)
        if answer.torn:
            await _cut(scope, receive)


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _reply(answer: Answer, send: Send) -> None:
    length = len(answer.body) + (64 if answer.torn else 0)
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.status != 204:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": answer.torn})


async def _cut(scope: Scope, receive: Receive) -> None:
    cut = scope.get("extensions", {}).get(CUT)
    if cut is None:
        raise ConnectionLost("the server cannot cut connections")
    cut()
    await _hold(receive, 5.0)


async def _hold(receive: Receive, hold_s: float) -> None:
    """Wait until the caller hangs up, at most ``hold_s``."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), hold_s)
    except TimeoutError:
        return


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
