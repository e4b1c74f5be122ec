"""Puts the processes of a test together: the shops, some workers, and a door in the test's own process.

Everything is awaited by its condition, each within a generous limit, so that a slow machine makes a test slower and
never red.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from storeweave.app.dispatch import with_dispatcher
from storeweave.model.errors import TransientError
from storeweave.model.kinds import ConnectionName, Key, Kind
from storeweave.model.records import Cause, Notice
from tests.scaleout.diary import Writing
from tests.scaleout.shops import SOURCE
from tests.scaleout.wire import ask
from tests.scaleout.worker import Order, Process, made

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0


async def until(condition: Callable[[], Awaitable[bool]], what: str, *, limit_s: float = LIMIT_S) -> None:
    try:
        async with asyncio.timeout(limit_s):
            while not await condition():  # noqa: ASYNC110 - other processes ring no event of ours
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {limit_s} s") from None


class Worker:
    """A worker process, and what can be done to it."""

    def __init__(self, holder: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.holder = holder
        self._process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def kill(self) -> None:
        """As when the power fails: nothing is tidied up."""
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> int:
        """As an operator does; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            return await self._process.wait()

    async def end(self) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                await self.kill()


class Rig:
    """One database, the shops, the workers, and a door that takes notices in."""

    def __init__(self, order: Order, door: Process, folder: Path, stack: AsyncExitStack) -> None:
        self._order = order
        self._folder = folder
        self._stack = stack
        self.workers: dict[str, Worker] = {}
        self.seen = 0
        self.door = door
        self.store = door.store

    async def shops(self, verb: str, **arguments: object) -> Any:
        return await ask(self._order.port, verb, **arguments)

    async def worker(self, holder: str, **changes: Any) -> Worker:
        """Start one and wait until its lanes run."""
        order = msgspec.structs.replace(self._order, holder=holder, **changes)
        log = self._folder / f"{holder}.log"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-W",
                "error",
                "-m",
                "tests.scaleout.worker",
                msgspec.json.encode(order).decode(),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
            )
        worker = Worker(holder, process, log)
        self.workers[holder] = worker
        self._stack.push_async_callback(worker.end)
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            line = await process.stdout.readline()
        assert line == b"ready\n", worker.log
        return worker

    async def start(self, *holders: str, **changes: Any) -> None:
        """Start several at the same time."""
        await asyncio.gather(*(self.worker(holder, **changes) for holder in holders))

    async def notice(self, keys: Sequence[Key]) -> None:
        """As the door does for webhooks: durable when it returns."""
        await self.door.hub.journal.accept(
            [Notice(connection=ConnectionName(SOURCE), kind=Kind.PRODUCT, key=key, cause=Cause.WEBHOOK) for key in keys]
        )

    async def change(self, keys: Sequence[Key]) -> None:
        await self.shops("raise_prices", keys=keys)
        await self.notice(keys)

    async def change_somehow(self, keys: Sequence[Key]) -> None:
        """The same while the database comes and goes: a notice is sent again until it is accepted, as vendors do."""
        await self.shops("raise_prices", keys=keys)

        async def accepted() -> bool:
            try:
                await self.notice(keys)
            except TransientError:
                return False
            return True

        await until(accepted, "the door accepts notices")

    async def dirty(self) -> int:
        """How many keys there is something to be done for; -1 when the database does not say."""
        try:
            backlog = await self.store.backlog(self.now())
        except TransientError:
            return -1
        return sum(b.dirty + b.backing_off + b.parked + b.held for b in backlog)

    async def stocked(self, products: int) -> list[Key]:
        """New products at the source, everywhere else too when this returns."""
        keys: list[Key] = await self.shops("stock", products=products)
        await self.notice(keys)
        await self.agreed()
        return keys

    async def alike(self) -> None:
        """Every destination is what the source says; there may be more to do."""

        async def done() -> bool:
            return bool(await self.shops("differences") == 0)

        await until(done, "the destinations are what the source says")

    async def agreed(self, *, limit_s: float = LIMIT_S) -> None:
        """Every destination is what the source says, and nothing is left to be done."""

        async def done() -> bool:
            return not await self.dirty() and bool(await self.shops("differences") == 0)

        await until(done, "agreement", limit_s=limit_s)

    def now(self) -> Any:
        return self.door.hub.clock.now()

    async def diary(self) -> list[Writing]:
        return await self.shops("diary")  # type: ignore[no-any-return]

    async def writing(self) -> Writing:
        """The first write since ``from_now_on``, while it is under way if its owner is held."""
        async with asyncio.timeout(LIMIT_S):
            return await self.shops("await_writing", after=self.seen)  # type: ignore[no-any-return]

    async def from_now_on(self) -> None:
        """What is in the diary by now is of no interest."""
        self.seen = len(await self.diary())

    async def since_then(self) -> list[Writing]:
        return (await self.diary())[self.seen :]

    async def tell(self) -> None:
        """For whoever reads a failure."""
        for worker in self.workers.values():
            print(f"--- {worker.holder}\n{worker.log}")
        print("differences:", await self.shops("differences"))
        for mark in await self.store.marks(limit=10):
            print(mark.key, mark.state, mark.due_at, mark.cause, mark.reason)


@asynccontextmanager
async def rig(url: str, folder: Path, *, destinations: int = 1, lease_s: float = 2.0) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.scaleout.shops",
            str(destinations),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ,
        )
        stack.push_async_callback(_ended, process)
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        order = Order(url=url, port=port, destinations=destinations, holder="door", lease_s=lease_s)
        door = made(order)
        stack.push_async_callback(door.store.close)
        await stack.enter_async_context(with_dispatcher(door.hub, door.dispatcher, work=False))
        there = Rig(order, door, folder, stack)
        try:
            yield there
        except BaseException:
            await there.tell()
            raise


async def _ended(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()
