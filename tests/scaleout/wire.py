"""How the processes of these tests talk: one request and one answer per connection, pickled, on the loopback.

The processes trust each other: they are one test. What a killed process has sent still arrives, as in life.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

Serve = Callable[[str, dict[str, Any]], Awaitable[object]]


class WireClosedError(Exception):
    """The other side went away before its answer was whole."""


async def _send(writer: asyncio.StreamWriter, value: object) -> None:
    body = pickle.dumps(value)
    writer.write(len(body).to_bytes(4, "big") + body)
    await writer.drain()


async def _receive(reader: asyncio.StreamReader) -> Any:
    size = int.from_bytes(await reader.readexactly(4), "big")
    return pickle.loads(await reader.readexactly(size))


async def ask(port: int, verb: str, /, **arguments: object) -> Any:
    """Send one request and wait for its answer; an error of the other side is raised here."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await _send(writer, (verb, arguments))
            answer = await _receive(reader)
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError) as error:
        raise WireClosedError(f"{verb}: {error}") from error
    if isinstance(answer, Exception):
        raise answer
    return answer


async def answer_with(serve: Serve) -> asyncio.Server:
    """Serve on a free port."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            verb, arguments = await _receive(reader)
            try:
                answer = await serve(verb, arguments)
            except Exception as error:  # noqa: BLE001 - travels to whoever asked
                answer = error
            await _send(writer, answer)
        except (OSError, asyncio.IncompleteReadError):
            return  # whoever asked is dead
        finally:
            writer.close()

    return await asyncio.start_server(one, "127.0.0.1", 0)
