"""Our other processes: start one, wait for its line, read what it hands back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent


class ChildError(Exception):
    """A process of ours ended badly."""


async def run(module: str, order: msgspec.Struct) -> bytes:
    """Run ``python -m module`` to its end; what it printed."""
    process = await _spawn(module, order, stderr=asyncio.subprocess.PIPE)
    try:
        out, errors = await process.communicate()
    finally:
        await _end(process)
    if process.returncode:
        raise ChildError(f"{module} ended with {process.returncode}: {errors.decode()[-2000:]}")
    return out


@asynccontextmanager
async def serving(module: str, order: msgspec.Struct) -> AsyncIterator[bytes]:
    """A process that serves for the duration of the block; the line that it printed when it was ready."""
    process = await _spawn(module, order, stderr=None)
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        if not line:
            raise ChildError(f"{module} ended before it was ready")
        yield line
    finally:
        await _end(process)


async def _spawn(module: str, order: msgspec.Struct, *, stderr: int | None) -> asyncio.subprocess.Process:
    body = msgspec.json.encode(order).decode()
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, body, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=stderr
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()
