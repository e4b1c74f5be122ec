"""Deliveries of webhooks: signatures, retries, blocked domains, the pump that runs by itself."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from storeweave.ports.clock import SystemClock
from storeweave.twinkit.asgi import Message, Receive, Scope, Send
from storeweave.twinkit.deliveries import Deliveries, Mishaps, signature
from storeweave.twinkit.doorstep import Doorstep
from tests.virtual_clock import START, VirtualClock

SECRET = b"a secret of no particular length"


class Listener:
    """Answers with ``status`` and remembers."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.bodies: list[bytes] = []
        self.news = asyncio.Event()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.bodies.append(body)
        self.news.set()
        if self.status == 0:
            raise OSError(url)
        return self.status


def _outbox(clock: VirtualClock, listener: Listener, **more: object) -> Deliveries:
    return Deliveries(
        clock=clock,
        rng=random.Random(1),
        secret=SECRET,
        post=listener.post,
        retries_s=(10, 20),
        **more,  # type: ignore[arg-type]
    )


def _queue(outbox: Deliveries, *bodies: bytes, url: str = "https://hub.example/in") -> None:
    for body in bodies:
        outbox.add(hook_id=1, url=url, body=body, headers={})


@given(secret=st.binary(min_size=1, max_size=64), body=st.text(max_size=200))
def test_signatures_are_those_of_the_standard(secret: bytes, body: str) -> None:
    headers = signature(secret, "msg_1", START.timestamp(), body.encode())
    assert headers["webhook-signature"] == Webhook(secret).sign("msg_1", START, body)


@pytest.mark.parametrize("status", [0, 301, 404, 500])
async def test_whatever_is_not_2xx_is_tried_again_until_the_schedule_ends(status: int) -> None:
    clock, listener = VirtualClock(), Listener(status)
    given_up: list[int] = []
    outbox = _outbox(clock, listener, on_exhausted=given_up.append)
    _queue(outbox, b"{}")
    attempts = []
    for _ in range(5):
        attempts.append(await outbox.deliver_due())
        clock.push(10)
    assert attempts == [1, 1, 0, 1, 0]
    assert given_up == [1]
    assert (outbox.sent, outbox.failed, outbox.acknowledged, len(outbox)) == (3, 3, 0, 0)


async def test_the_schedule_can_be_sped_up() -> None:
    clock, listener = VirtualClock(), Listener(500)
    outbox = _outbox(clock, listener, time_scale=0.01)
    _queue(outbox, b"{}")
    await outbox.deliver_due()
    assert outbox.next_at == pytest.approx(0.1)


async def test_a_domain_that_fails_often_gets_nothing_for_three_minutes() -> None:
    clock, listener = VirtualClock(), Listener(500)
    outbox = _outbox(clock, listener, blocks_domains=True)
    _queue(outbox, *(b"%d" % number for number in range(120)))
    await outbox.deliver_due()
    assert outbox.sent == 100
    _queue(outbox, b"other", url="https://elsewhere.example/in")
    await outbox.deliver_due()
    assert outbox.sent == 101
    clock.push(180)
    listener.status = 200
    await outbox.deliver_due()
    assert outbox.acknowledged == 121


async def test_lost_means_never_sent_and_doubled_means_sent_twice_with_one_id() -> None:
    clock, listener = VirtualClock(), Listener()
    outbox = _outbox(clock, listener)
    outbox.mishaps = Mishaps(lost=1.0)
    _queue(outbox, b"lost")
    outbox.mishaps = Mishaps(doubled=1.0)
    _queue(outbox, b"twice")
    clock.push(1)
    await outbox.deliver_due()
    assert listener.bodies == [b"twice", b"twice"]
    assert outbox.lost == 1


async def test_the_pump_delivers_by_itself_until_it_is_cancelled() -> None:
    listener = Listener()
    outbox = Deliveries(
        clock=SystemClock(), rng=random.Random(1), secret=SECRET, post=listener.post, retries_s=(), delay_s=0.01
    )
    pump = asyncio.create_task(outbox.run())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        for body in (b"one", b"two"):
            listener.news.clear()
            _queue(outbox, body)
            await listener.news.wait()
    pump.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pump
    assert listener.bodies == [b"one", b"two"]


async def test_a_doorstep_is_a_hub_in_the_same_process() -> None:
    seen: list[tuple[str, bytes, bytes]] = []

    async def hub(scope: Scope, receive: Receive, send: Send) -> None:
        message: Message = await receive()
        seen.append((scope["path"], dict(scope["headers"])[b"webhook-id"], message["body"]))
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    door = Doorstep()
    with pytest.raises(OSError, match="nobody answers"):
        await door.post("https://hub.test/in", {}, b"")
    door.app = hub
    assert await door.post("https://hub.test/in/a%20b", {"Webhook-Id": "msg_1"}, b"{}") == 202
    assert seen == [("/in/a b", b"msg_1", b"{}")]
