"""Puts the processes of a crash run together: two twin stores that live long, a hub that does not.

Everything is a child of the process that runs the test, listens on loopback only, and is ended when its block ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from storeweave.ports.clock import SystemClock
from storeweave.twinkit.serving import bind
from tests.crash import served
from tests.crash.hub_process import HubOrder
from tests.crash.twin_process import TwinOrder

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0
CLOCK = SystemClock()
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class CrashError(Exception):
    """A process did something else than it should: it ended by itself, or did not get ready."""


async def until(
    condition: Callable[[], Awaitable[bool]], what: str, *, limit_s: float = LIMIT_S, every_s: float = 0.1
) -> None:
    """Await a condition of another process."""
    try:
        async with asyncio.timeout(limit_s):
            while not await condition():  # noqa: ASYNC110 - another process has no event for us
                await asyncio.sleep(every_s)
    except TimeoutError:
        raise CrashError(f"{what}: not within {limit_s:g} s") from None


class Store:
    """A twin's process, and everything that can be asked of it and done to it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, facts: Mapping[str, Any]) -> None:
        self.name = name
        self.url: str = facts["url"]
        self._process = process
        self._client = httpx2.AsyncClient(base_url=facts["control_url"], timeout=LIMIT_S, trust_env=False)

    async def ask(self, path: str) -> Any:
        return await self._asked("GET", path)

    async def tell(self, path: str, body: object) -> Any:
        return await self._asked("POST", path, body if isinstance(body, bytes) else _ENCODER.encode(body))

    async def _asked(self, method: str, path: str, content: bytes = b"") -> Any:
        try:
            return _read(await self._client.request(method, path, content=content))
        except httpx2.HTTPError as error:
            state = self._process.returncode
            raise CrashError(f"store {self.name} does not answer {path} (exit {state}): {error!r}") from error

    async def deed(self, name: str, /, **arguments: Any) -> Any:
        """As the merchant."""
        return await self.tell("merchant", {"deed": name, "with": arguments})

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    async def end(self) -> None:
        await self._client.aclose()
        await _end(self._process)


def _read(answer: httpx2.Response) -> Any:
    if answer.status_code != 200:
        raise CrashError(f"{answer.url}: {answer.status_code} {answer.text[:500]}")
    return _DECODER.decode(answer.content)


@asynccontextmanager
async def stores(*orders: TwinOrder, folder: Path) -> AsyncIterator[list[Store]]:
    """Twin stores for the duration of the block."""
    started: list[Store] = []
    logs = [folder / f"{order.store_hash}.log" for order in orders]
    processes = [
        await _spawn(_module("twin_process", order), log, announces=True)
        for order, log in zip(orders, logs, strict=True)
    ]
    try:
        for order, process in zip(orders, processes, strict=True):
            facts = msgspec.json.decode(await _line(process, folder / f"{order.store_hash}.log"))
            started.append(Store(order.store_hash, process, facts))
        yield started
    finally:
        for process in processes:
            await _end(process)
        for store in started:
            await store.end()


class Hub:
    """The hub, life after life."""

    def __init__(self, order: HubOrder, folder: Path, *, served: bool = False) -> None:
        self.order = order
        self.served = served
        self.log = folder / "hub.log"
        self.started_at: list[float] = []
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._client = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{order.port}",
            timeout=10.0,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),  # a connection is no longer good than a life
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self, **changes: Any) -> None:
        """Begin a life; it is ready when ``ready`` returns."""
        self.started_at.append(CLOCK.monotonic())
        order = msgspec.structs.replace(self.order, life=len(self.started_at) - 1, **changes)
        if self.served:
            self._process = await _spawn(served.command(order, self._folder), self.log)
        else:
            self._process = await _spawn(_module("hub_process", order), self.log)

    async def ready(self) -> None:
        """Its door is open."""
        process = self._process
        assert process is not None

        async def answers() -> bool:
            if process.returncode is not None:
                raise CrashError(f"the hub ended by itself ({process.returncode}): {_tail(self.log)}")
            try:
                return (await self._client.get("/healthz")).status_code == 200
            except httpx2.HTTPError:
                return False

        await until(answers, "the hub's door open", every_s=0.02)

    async def status(self) -> dict[str, Any]:
        """What the hub believes; empty when it does not answer."""
        try:
            if self.served:
                return await served.status(self._client)
            answer = await self._client.get("/status")
        except httpx2.HTTPError:
            return {}
        found: dict[str, Any] = _read(answer)
        return found

    async def die_at_answer(self, number: int) -> None:
        """Let it die of a kill the instant after it has acknowledged so many more webhooks."""
        with suppress(httpx2.HTTPError):  # it may be dead before it answers
            await self._client.get(f"/die/{number}")

    async def killed(self, *, limit_s: float) -> bool:
        """Whether it died of a kill within the time. Raises CrashError when it ended by itself."""
        assert self._process is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._process.wait()
        if self._process.returncode not in (None, -signal.SIGKILL):
            raise CrashError(f"the hub ended by itself ({self._process.returncode}): {_tail(self.log)}")
        return self._process.returncode is not None

    async def kill(self) -> None:
        """As when the power fails: nothing is tidied up."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        await self.killed(limit_s=LIMIT_S)

    async def end(self) -> None:
        await self._client.aclose()
        if self._process is not None:
            await _end(self._process)


@asynccontextmanager
async def hub(order: HubOrder, *, folder: Path, served: bool = False) -> AsyncIterator[Hub]:
    """A hub that is not started yet. ``served``: by ``storeweave serve``."""
    it = Hub(order, folder, served=served)
    try:
        yield it
    finally:
        await it.end()


async def settled(a: Store, b: Store, it: Hub, *, limit_s: float = 120.0) -> None:
    """Until nobody has anything left to do. What is not right by then never will be."""
    left: dict[str, Any] = {}

    async def done() -> bool:
        here, there, status = await a.ask("counts"), await b.ask("counts"), await it.status()
        left["undelivered"] = here["undelivered"]
        left["landing"] = here["landing"] + there["landing"]
        left["dirty"] = status.get("dirty", 1) + (not status.get("first_sync"))
        left["backing off"] = status.get("backing_off", 1)
        return not sum(left.values())

    try:
        await until(done, "nothing left to do", limit_s=limit_s)
    except CrashError as error:
        raise CrashError(f"{error}; left are {left}") from None


def free_port() -> int:
    """A port that nobody listens on now."""
    with bind("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


def _module(name: str, order: msgspec.Struct) -> list[str]:
    return [sys.executable, "-m", f"tests.crash.{name}", msgspec.json.encode(order).decode()]


async def _spawn(command: Sequence[str], log: Path, *, announces: bool = False) -> asyncio.subprocess.Process:
    """``announces``: its standard output is for us."""
    with log.open("ab") as told:
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=asyncio.subprocess.PIPE if announces else told,
            stderr=told,
        )


async def _line(process: asyncio.subprocess.Process, log: Path) -> bytes:
    """The one line that a process prints when it is ready."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_S):
            line = await process.stdout.readline()
    except TimeoutError:
        raise CrashError(f"not ready within {LIMIT_S:g} s: {_tail(log)}") from None
    if not line:
        raise CrashError(f"ended before it was ready: {_tail(log)}")
    return line


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
