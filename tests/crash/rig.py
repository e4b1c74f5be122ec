"""Puts the processes of a crash run together: two twin stores that live long, a hub that does not.

Everything is a child of the process that runs the test, listens on loopback only, and is ended when its block ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from storeweave.ports.clock import SystemClock
from storeweave.twinkit.serving import bind
from tests.crash.hub_process import HubOrder, user_agent
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
        return _read(await self._client.get(path))

    async def tell(self, path: str, body: object) -> Any:
        content = body if isinstance(body, bytes) else _ENCODER.encode(body)
        return _read(await self._client.post(path, content=content))

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
    processes = [await _spawn("twin_process", order, folder / f"{order.store_hash}.log") for order in orders]
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

    def __init__(self, order: HubOrder, folder: Path) -> None:
        self.order = order
        self.log = folder / "hub.log"
        self.started_at: list[float] = []
        self._process: asyncio.subprocess.Process | None = None
        self._client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{order.port}", timeout=10.0, trust_env=False)

    @property
    def life(self) -> int:
        return len(self.started_at) - 1

    @staticmethod
    def user_agent(life: int) -> str:
        """By which the stores know a life."""
        return user_agent(life)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self, **changes: Any) -> None:
        """Begin a life; it is ready when ``ready`` returns."""
        self.started_at.append(CLOCK.monotonic())
        order = msgspec.structs.replace(self.order, life=self.life, **changes)
        self._process = await _spawn("hub_process", order, self.log)

    async def ready(self) -> None:
        assert self._process is not None
        await _line(self._process, self.log)

    async def status(self) -> dict[str, Any]:
        """What the hub believes; empty when it does not answer."""
        try:
            answer = await self._client.get("/status")
        except httpx2.HTTPError:
            return {}
        found: dict[str, Any] = _read(answer)
        return found

    async def die_at_answer(self, number: int) -> None:
        """Let it die of a kill the instant after it has acknowledged so many more webhooks."""
        _read(await self._client.get(f"/die/{number}"))

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
async def hub(order: HubOrder, *, folder: Path) -> AsyncIterator[Hub]:
    """A hub that is not started yet."""
    it = Hub(order, folder)
    try:
        yield it
    finally:
        await it.end()


def free_port() -> int:
    """A port that nobody listens on now."""
    with bind("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


async def _spawn(module: str, order: msgspec.Struct, log: Path) -> asyncio.subprocess.Process:
    with log.open("ab") as stderr:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"tests.crash.{module}",
            msgspec.json.encode(order).decode(),
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
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
