"""A twin as a server on a socket, by uvicorn, with connections that can really be cut.

uvicorn gives apps no way to break a connection, so a subclass of its HTTP protocol puts the transport's ``abort`` into
the scope (extension ``storeweave.cut``). A torn answer announces more bytes than it sends and is then cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from storeweave.twinkit.asgi import CUT
from storeweave.twinkit.doorstep import App


class CuttingProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, and a way to stop speaking."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[Any, Any] = {CUT: self.transport.abort}
        self.scope["extensions"] = extensions


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    # Named as TCP, or asyncio does not know it for TCP and leaves Nagle's 40 ms between the two halves of each answer.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(1024)
    return listener


def origin_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class TwinServer:
    """Serves one app until it is told to stop. ``on_ready`` is called once it listens."""

    def __init__(self, app: App, listener: socket.socket, *, on_ready: Callable[[], None] | None = None) -> None:
        config = uvicorn.Config(
            app,
            http=CuttingProtocol,
            lifespan="off",
            log_level="error",
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        self._server = _Quiet(config)
        self._listener = listener
        self._on_ready = on_ready
        self._task: asyncio.Task[Any] | None = None

    async def serve(self) -> None:
        """Run until stopped."""
        self._server.on_ready = self._on_ready
        await self._server.serve(sockets=[self._listener])

    async def start(self) -> None:
        """Run in a task of its own; returns when it listens."""
        ready = asyncio.Event()
        self._server.on_ready = ready.set
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        await ready.wait()

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Quiet(uvicorn.Server):
    """Leaves the process's signals alone and says when it is ready."""

    on_ready: Callable[[], None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.on_ready is not None:
            self.on_ready()
