"""The webhook door over ASGI: who gets in, what is answered, and that 200 means kept."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.intake.door import Door, Gate, Message, Receive, Scope, Send, hook_url, path_secret
from storeweave.model.errors import BadRequestError, BadSignatureError, TransientError
from storeweave.model.kinds import ConnectionName, Key, Kind
from storeweave.model.records import Cause, Notice
from storeweave.ports.connector import HookRequest

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = path_secret(b"r" * 32, "shop")
URL = f"/webhooks/shop/{SECRET}"


class StillClock:
    def __init__(self) -> None:
        self.at = 100.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, wait_s: float) -> None:
        await asyncio.sleep(0)


class Shop:
    """Verifies by a header, and names one key per line of the body."""

    def __init__(self) -> None:
        self.seen: list[HookRequest] = []

    def receive(self, request: HookRequest, *, now: datetime) -> Sequence[Notice]:
        self.seen.append(request)
        if request.headers.get("x-signature") != "right":
            raise BadSignatureError("the signature is wrong")
        if request.body == b"bug":
            raise KeyError("our mistake")
        try:
            lines = request.body.decode().split()
        except UnicodeDecodeError as error:
            raise BadRequestError("not text") from error
        return [
            Notice(connection=ConnectionName("shop"), kind=Kind.PRODUCT, key=Key(k), cause=Cause.WEBHOOK) for k in lines
        ]


class World:
    """A door with one connection, a journal that keeps in memory, and a client."""

    def __init__(self, most_body_bytes: int = 1000) -> None:
        self.shop = Shop()
        self.kept: list[Notice] = []
        self.fails: Exception | None = None
        self.gates: dict[str, Gate] = {"shop": Gate((SECRET.encode(),), self.shop)}
        self.door = Door(self.gates, self.accept, StillClock(), inner=self.inner, most_body_bytes=most_body_bytes)

    async def accept(self, notices: Sequence[Notice]) -> None:
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails
        self.kept += notices

    async def inner(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"inner"})

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(app=self.door)
        async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:
            yield client

    async def post(
        self, path: str = URL, body: bytes = b"17 18", headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        async with self.client() as client:
            given = {"x-signature": "right"} if headers is None else headers
            return await client.post(path, content=body, headers=given)


async def test_a_genuine_notice_is_kept_and_answered_with_an_empty_200() -> None:
    world = World()
    answer = await world.post()
    assert (answer.status_code, answer.content) == (200, b"")
    assert [n.key for n in world.kept] == ["17", "18"]


async def test_the_answer_waits_until_the_notice_is_durable() -> None:
    world, gate = World(), asyncio.Event()

    async def slow(notices: Sequence[Notice]) -> None:
        await gate.wait()
        world.kept.extend(notices)

    world.door._accept = slow
    task = asyncio.create_task(world.post())
    for _ in range(50):
        await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    assert (await task).status_code == 200
    assert len(world.kept) == 2


async def test_a_notice_that_could_not_be_kept_is_asked_for_again() -> None:
    for failure in (TransientError("disk full"), OSError("disk full"), RuntimeError("writer is gone")):
        world = World()
        world.fails = failure
        answer = await world.post()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "disk" not in answer.text


async def test_a_genuine_notice_that_is_none_of_our_business_is_answered_200() -> None:
    world = World()
    world.fails = AssertionError("nothing to keep")
    assert (await world.post(body=b"")).status_code == 200


async def test_every_refusal_to_strangers_looks_the_same() -> None:
    world = World()
    answers = [
        await world.post("/webhooks/other/" + SECRET),
        await world.post("/webhooks/shop/wrong"),
        await world.post("/webhooks/shop/"),
        await world.post("/webhooks/shop"),
        await world.post("/webhooks/"),
        await world.post("/webhooks//" + SECRET),
        await world.post("/webhooks/shop/" + SECRET[:-1]),
        await world.post("/webhooks/shop/" + SECRET + "x"),
        await world.post("/webhooks/SHOP/" + SECRET),
        await world.post("/webhooks/shop/%00%ff"),
        await world.post(headers={"x-signature": "wrong"}),
        await world.post(headers={}),
    ]
    assert {a.status_code for a in answers} == {401}
    assert len({(a.content, tuple(sorted(a.headers.items()))) for a in answers}) == 1
    assert world.kept == []


async def test_the_connector_sees_raw_bytes_lower_case_headers_and_the_rest_of_the_path() -> None:
    world = World()
    await world.post(URL + "/products/created", b"17", {"X-Signature": "right"})
    (seen,) = world.shop.seen
    assert (seen.path, seen.body, seen.headers["x-signature"]) == ("products/created", b"17", "right")


async def test_a_stranger_cannot_reach_the_connector_without_the_path_secret() -> None:
    world = World()
    await world.post("/webhooks/shop/guess")
    assert world.shop.seen == []


async def test_two_secrets_are_valid_while_one_is_being_replaced() -> None:
    world = World()
    world.gates["shop"] = Gate((b"old", b"new"), world.shop)
    assert [(await world.post(f"/webhooks/shop/{s}")).status_code for s in ("old", "new", SECRET)] == [200, 200, 401]


async def test_a_connection_that_is_taken_away_is_unknown_at_once() -> None:
    world = World()
    del world.gates["shop"]
    assert (await world.post()).status_code == 401


async def test_unreadable_content_is_400_and_our_own_mistake_is_no_500() -> None:
    world = World()
    assert (await world.post(body=b"\xff\xfe")).status_code == 400
    assert (await world.post(body=b"bug")).status_code == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_only_post_is_accepted(method: str) -> None:
    async with World().client() as client:
        answer = await client.request(method, URL)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_body_above_the_limit_is_refused_by_its_declared_length_without_reading_it() -> None:
    world, read = World(), 0

    async def receive() -> Message:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 1001}

    assert await call(world.door, URL, receive, [(b"content-length", b"1001")]) == 413
    assert read == 0


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"", b"9" * 5000, b"12, 12"])
async def test_an_absurd_declared_length_never_breaks_the_door(length: bytes) -> None:
    world = World()

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    assert await call(world.door, URL, receive, [(b"content-length", length)]) in {401, 413}


async def test_a_body_that_grows_above_the_limit_is_refused_while_it_comes() -> None:
    world, sent = World(), 0

    async def receive() -> Message:
        nonlocal sent
        sent += 1
        return {"type": "http.request", "body": b"x" * 400, "more_body": True}

    assert await call(world.door, URL, receive, []) == 413
    assert sent == 3


async def test_a_body_in_pieces_is_put_together() -> None:
    world, pieces = World(), [b"1", b"7 ", b"", b"18"]

    async def receive() -> Message:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    assert await call(world.door, URL, receive, [(b"x-signature", b"right")]) == 200
    assert [n.key for n in world.kept] == ["17", "18"]


async def test_a_sender_that_goes_away_is_not_answered_and_nothing_is_kept() -> None:
    world, messages = World(), [{"type": "http.request", "body": b"17", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)  # type: ignore[return-value]

    assert await call(world.door, URL, receive, [(b"x-signature", b"right")]) is None
    assert world.kept == []


async def test_everything_else_goes_on_to_the_application_behind() -> None:
    world = World()
    async with world.client() as client:
        assert (await client.get("/healthz")).status_code == 299
        assert (await client.get("/webhooksx")).status_code == 299


async def test_answers_are_counted_by_connection_and_never_by_a_strangers_word() -> None:
    world = World()
    await world.post()
    await world.post("/webhooks/shop/wrong")
    await world.post("/webhooks/evil/wrong")
    assert world.door.answered == {("shop", 200): 1, ("shop", 401): 1, ("", 401): 1}


async def test_a_repeated_header_is_joined_not_chosen_from() -> None:
    world = World()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"17"}

    twice = [(b"x-signature", b"right"), (b"x-signature", b"wrong")]
    assert await call(world.door, URL, receive, twice) == 401
    assert world.shop.seen[0].headers["x-signature"] == "right, wrong"


def test_a_path_secret_is_long_and_belongs_to_one_connection_and_one_hub() -> None:
    assert len(SECRET) == 32
    assert len({SECRET, path_secret(b"r" * 32, "shop2"), path_secret(b"s" * 32, "shop")}) == 3
    assert hook_url("https://hub.example/", "shop", SECRET) == f"https://hub.example{URL}"


async def call(
    door: Door, path: str, receive: Receive, headers: list[tuple[bytes, bytes]], method: str = "POST"
) -> int | None:
    """The status that the door answers to a raw ASGI call; None: no answer."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await door({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
    return sent[0]["status"] if sent else None


@given(
    path=st.one_of(st.text(), st.text().map(lambda t: "/webhooks/" + t), st.text().map(lambda t: URL + t)),
    headers=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=4),
    body=st.binary(max_size=1500),
    method=st.sampled_from(["POST", "GET", "", "post"]),
)
async def test_no_request_from_outside_brings_the_door_down_or_lets_a_stranger_in(
    path: str, headers: list[tuple[bytes, bytes]], body: bytes, method: str
) -> None:
    world = World()

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    status = await call(world.door, path, receive, headers, method)
    assert status in {299, 400, 401, 405, 413}
    assert world.kept == []
