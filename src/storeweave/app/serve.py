"""``storeweave serve``: door, API and lanes of one process, until a signal says stop.

Stopping is orderly: no new requests, those under way are answered, lanes are given back, the database is closed. A
second signal does not wait. A process that is killed instead loses nothing but time.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator

import structlog
import uvicorn

from storeweave.access.secrets import Secret
from storeweave.app.api import create_api
from storeweave.app.config import Config
from storeweave.app.config_model import split_listen
from storeweave.app.dispatch import with_dispatcher
from storeweave.app.identity import identity
from storeweave.app.logs import set_up_logs
from storeweave.app.wiring import Wired, wire
from storeweave.intake.door import ASGIApp, Door
from storeweave.model.errors import ConfigError

log = structlog.get_logger(__name__)

GRACE_S = 10
KEEP_ALIVE_S = 75
"""Longer than the usual proxy's, so that it never uses a connection that we are closing."""
MOST_CONNECTIONS = 2048
"""Above it answers are 503, which vendors take for "later"."""
Started = Callable[[str], None]
"""Told the address once we listen."""


def _nobody(_address: str) -> None:
    return None


async def serve(
    config: Config, *, role: str | None = None, listen: str | None = None, started: Started = _nobody
) -> None:
    """Serve until SIGINT or SIGTERM. ``role`` and ``listen`` stand over the configuration's.

    Raises ConfigError when the address or the database cannot be had.
    """
    role = role or config.hub.role
    stop = asyncio.Event()
    with _listening(listen or config.hub.listen) as listener, _signals(stop):
        async with wire(config, serving=True) as wired:
            _keep_out_of_the_log(wired)
            await _run(wired, role, listener, stop, started)


def _keep_out_of_the_log(wired: Wired) -> None:
    """The unguessable parts of our webhook addresses are secrets, too; vendors repeat them in their errors."""
    ours = [Secret(secret.decode()) for gate in wired.gates.values() for secret in gate.secrets]
    hub = wired.config.hub
    set_up_logs(level=hub.log_level, form=hub.log_format, secrets=[*wired.config.secrets, *ours])


async def _run(wired: Wired, role: str, listener: socket.socket, stop: asyncio.Event, started: Started) -> None:
    work = role != "door"
    async with with_dispatcher(wired.hub, wired.dispatcher, work=work):
        life = asyncio.create_task(wired.hub.run(work=work, ticking=work), name="hub")
        server = _Server(_settings(application(wired, role, life)))
        serving = asyncio.create_task(server.serve([listener]), name="server")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        address = _address(listener)
        log.info("serve.started", address=address, role=role, flows=len(wired.hub.flows))
        started(address)
        try:
            await asyncio.wait({life, serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            log.info("serve.stopping", after="a signal" if stop.is_set() else "a failure")
            server.should_exit = True
            stopping.cancel()
            await asyncio.wait({serving})
            await wired.local.close()
            life.cancel()
            await asyncio.wait({life})
    for task in (life, serving):
        if not task.cancelled():
            task.result()  # what ended us, if nobody asked us to stop


def application(wired: Wired, role: str, life: asyncio.Task[None] | None = None) -> ASGIApp:
    """The whole ASGI application: the door, and behind it the API. A worker has no door."""

    async def ready() -> list[str]:
        await wired.store.lane_pauses()  # the database answers
        return ["the lanes do not run"] if life is not None and life.done() else []

    answered: Counter[tuple[str, int]] = Counter()
    api = create_api(
        wired.local,
        token=wired.config.hub.api_token,
        ready=ready,
        answered=answered,
        identity=identity(wired.config),
    )
    gates = {} if role == "worker" else wired.gates
    return Door(gates, wired.hub.journal.accept, wired.hub.clock, inner=api, answered=answered)


class _Server(uvicorn.Server):
    """Leaves signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _settings(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,  # it would hold the webhook addresses' secrets
        log_config=None,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


@contextlib.contextmanager
def _listening(listen: str) -> Iterator[socket.socket]:
    host, port = split_listen(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio does not know it for TCP and leaves Nagle's 40 ms between the two halves of each answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(
                f"hub.listen: {listen} cannot be listened at: {reason}; stop what is there, or take another"
            ) from error
        listener.listen(2048)
        listener.setblocking(False)
        yield listener
    finally:
        listener.close()


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """The first SIGINT or SIGTERM asks to stop; after that they have their ordinary, abrupt effect."""
    loop = asyncio.get_running_loop()
    caught = (signal.SIGINT, signal.SIGTERM)

    def asked() -> None:
        stop.set()
        for number in caught:
            loop.remove_signal_handler(number)

    for number in caught:
        loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
