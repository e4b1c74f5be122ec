"""What the network transport says about what may have happened, proven against real sockets on this machine."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from storeweave.access.address_guard import AddressGuard
from storeweave.app.transport import HttpTransport, resolve
from storeweave.model.errors import NotSentError, RefusedError, UnknownOutcomeError
from storeweave.ports.transport import Request

Talk = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server that hands each request head to ``talk`` and remembers what came."""

    def __init__(self, talk: Talk, first_words: bytes = b"") -> None:
        self.talk = talk
        self.first_words = first_words
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.called = asyncio.Event()
        self._tasks: set[asyncio.Task[object]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        writer.write(self.first_words)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                self.called.set()
                await self.talk(head, reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{self.port}"
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.wait_for(asyncio.gather(*self._tasks), 5)


def answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def transport(*, most_answer_bytes: int = 1_000_000) -> AsyncIterator[HttpTransport]:
    made = HttpTransport(AddressGuard(resolve, allow_loopback=True), most_answer_bytes=most_answer_bytes)
    try:
        yield made
    finally:
        await made.close()


async def say_ok(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(answer("200 OK", b'{"a":1}', "X-Rate-Limit-Requests-Left: 7", "Content-Type: application/json"))


async def test_an_answer_comes_back_whole_with_lower_case_header_names() -> None:
    server = Server(say_ok)
    async with server.open() as url, transport() as ours:
        got = await ours.send(Request(method="GET", url=f"{url}/v3/x?a=b%20c", headers={"X-Auth": "t"}), timeout_s=5)
    assert (got.status, got.body) == (200, b'{"a":1}')
    assert got.headers == {"x-rate-limit-requests-left": "7", "content-type": "application/json"}
    assert server.heads[0].startswith(b"GET /v3/x?a=b%20c HTTP/1.1\r\n")
    assert b"x-auth: t\r\n" in server.heads[0].lower()


async def test_connections_are_used_again() -> None:
    server = Server(say_ok)
    async with server.open() as url, transport() as ours:
        for _ in range(5):
            await ours.send(Request(method="GET", url=url), timeout_s=5)
    assert (server.connections, len(server.heads)) == (1, 5)


async def test_the_host_keeps_its_name_while_the_connection_goes_to_the_checked_address() -> None:
    server = Server(say_ok)

    async def names(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with server.open():
        ours = HttpTransport(AddressGuard(names, allow_loopback=True))
        await ours.send(Request(method="GET", url=f"http://erp.lan:{server.port}/"), timeout_s=5)
        await ours.close()
    assert f"host: erp.lan:{server.port}\r\n".encode() in server.heads[0].lower()


async def test_an_address_that_does_not_answer_is_followed_by_the_next() -> None:
    server = Server(say_ok)

    async def names(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async with server.open():
        ours = HttpTransport(AddressGuard(names, allow_loopback=True))
        got = await ours.send(Request(method="GET", url=f"http://erp.lan:{server.port}/"), timeout_s=5)
        await ours.close()
    assert got.status == 200


async def test_redirects_are_answers_and_are_not_followed() -> None:
    async def elsewhere(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("302 Found", b"", "Location: http://169.254.169.254/"))

    server = Server(elsewhere)
    async with server.open() as url, transport() as ours:
        got = await ours.send(Request(method="GET", url=url), timeout_s=5)
    assert (got.status, len(server.heads)) == (302, 1)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with Server(say_ok).open() as url, transport() as ours:
        assert (await ours.send(Request(method="GET", url=url), timeout_s=5)).status == 200


async def test_a_refused_connection_is_a_call_that_was_not_sent() -> None:
    async with Server(say_ok).open() as url:
        pass
    async with transport() as ours:
        with pytest.raises(NotSentError) as caught:
            await ours.send(Request(method="POST", url=f"{url}/x?token=canary", body=b"{}"), timeout_s=5)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("first_words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["not TLS", "silence"])
async def test_a_failed_handshake_is_a_call_that_was_not_sent(first_words: bytes) -> None:
    server = Server(say_ok, first_words)
    async with server.open(), transport() as ours:
        with pytest.raises(NotSentError):
            await ours.send(Request(method="POST", url=f"https://127.0.0.1:{server.port}/", body=b"{}"), timeout_s=0.5)


async def test_a_name_that_cannot_be_resolved_is_a_call_that_was_not_sent() -> None:
    async def names(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    ours = HttpTransport(AddressGuard(names))
    with pytest.raises(NotSentError):
        await ours.send(Request(method="GET", url="https://nowhere.example/"), timeout_s=5)
    await ours.close()


async def test_a_slow_name_look_up_is_cut_off_by_the_deadline_and_was_not_sent() -> None:
    async def names(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    ours = HttpTransport(AddressGuard(names))
    with pytest.raises(NotSentError):
        await ours.send(Request(method="GET", url="https://slow.example/"), timeout_s=0.05)
    await ours.close()


async def hang(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def close(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def tear(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")
    writer.close()


async def babble(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"this is not HTTP at all\r\n\r\n")


async def drip(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"1\r\nx\r\n")
        await asyncio.sleep(0.02)


async def corrupt(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(answer("200 OK", b"not gzip", "content-encoding: gzip"))


@pytest.mark.parametrize("talk", [hang, reset, close, tear, babble, drip, corrupt], ids=lambda t: t.__name__)
async def test_whatever_goes_wrong_after_the_first_byte_left_may_have_taken_effect(talk: Talk) -> None:
    async with Server(talk).open() as url, transport() as ours:
        with pytest.raises(UnknownOutcomeError):
            await ours.send(Request(method="PUT", url=url, body=b"{}"), timeout_s=0.5)


async def test_an_answer_above_the_limit_is_cut_off() -> None:
    async def flood(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("200 OK", b"x" * 5000))

    async with Server(flood).open() as url, transport(most_answer_bytes=4999) as ours:
        with pytest.raises(UnknownOutcomeError) as caught:
            await ours.send(Request(method="GET", url=url), timeout_s=5)
    assert caught.value.code == "answer-too-large"


async def test_a_small_answer_that_unpacks_above_the_limit_is_cut_off() -> None:
    async def bomb(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("200 OK", gzip.compress(b"\0" * 5_000_000), "content-encoding: gzip"))

    async with Server(bomb).open() as url, transport() as ours:
        with pytest.raises(UnknownOutcomeError) as caught:
            await ours.send(Request(method="GET", url=url), timeout_s=5)
    assert caught.value.code == "answer-too-large"


async def test_a_compressed_answer_is_unpacked() -> None:
    async def pack(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("200 OK", gzip.compress(b"hello"), "content-encoding: gzip"))

    async with Server(pack).open() as url, transport() as ours:
        got = await ours.send(Request(method="GET", url=url), timeout_s=5)
    assert (got.body, "content-encoding" in got.headers) == (b"hello", False)


async def test_a_private_address_is_refused_before_anything_is_sent() -> None:
    server = Server(say_ok)
    async with server.open() as url:
        ours = HttpTransport(AddressGuard(resolve))
        with pytest.raises(RefusedError):
            await ours.send(Request(method="GET", url=url), timeout_s=5)
        await ours.close()
    assert server.connections == 0


@pytest.mark.parametrize("request_", [
    Request(method="GET", url="https://a.example:bad/"),
    Request(method="GET", url="no address"),
])  # fmt: skip
async def test_a_url_that_is_none_is_refused(request_: Request) -> None:
    async with transport() as ours:
        with pytest.raises(RefusedError):
            await ours.send(request_, timeout_s=5)


async def test_a_header_that_would_smuggle_is_refused() -> None:
    async with Server(say_ok).open() as url, transport() as ours:
        with pytest.raises(RefusedError):
            await ours.send(Request(method="GET", url=url, headers={"X": "a\r\nY: b"}), timeout_s=5)


async def test_a_dropped_call_gives_its_connection_back() -> None:
    server = Server(hang)
    async with server.open() as url, transport() as ours:
        task = asyncio.create_task(ours.send(Request(method="GET", url=url), timeout_s=5))
        await server.called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.talk = say_ok
        assert (await ours.send(Request(method="GET", url=url), timeout_s=5)).status == 200


def test_certificates_are_verified() -> None:
    ours = HttpTransport(AddressGuard(resolve))
    assert ours._ssl.verify_mode is ssl.CERT_REQUIRED
    assert ours._ssl.check_hostname
