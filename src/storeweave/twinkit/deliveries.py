"""Webhooks that a twin really sends: Standard Webhooks signatures, retries on a schedule, mishaps on request.

Nothing runs by itself: ``deliver_due`` sends what is due (deterministic tests pump it), ``run`` pumps on a clock
(servers and demos start it as a task that they own). Which hooks want which events is the vendor's affair.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import heapq
import hmac
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from storeweave.ports.clock import Clock
from storeweave.twinkit.landing import until

Post = Callable[[str, Mapping[str, str], bytes], Awaitable[int]]


class Mishaps(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong with deliveries, as probabilities; the delays are seconds."""

    lost: float = 0.0
    doubled: float = 0.0
    delayed: float = 0.0
    delay_s: tuple[float, float] = (0.5, 5.0)
    reordered: float = 0.0  # swapped with a later one by a short delay
    reorder_s: float = 0.2


class Delivery(msgspec.Struct, kw_only=True):
    """One message on its way to one hook."""

    id: str
    hook_id: int
    url: str
    body: bytes
    headers: Mapping[str, str]
    attempts: int = 0


class DomainRecord:
    """How well each domain answers; one that answers under 90 % of at least 100 in two minutes is blocked for three."""

    WINDOW_S, LEAST, SHARE, BLOCK_S = 120.0, 100, 0.9, 180.0

    def __init__(self) -> None:
        self._answers: dict[str, deque[tuple[float, bool]]] = {}
        self._blocked_until: dict[str, float] = {}

    def blocked_s(self, domain: str, now: float) -> float:
        """How long the domain stays blocked."""
        return max(0.0, self._blocked_until.get(domain, now) - now)

    def note(self, domain: str, now: float, *, is_good: bool) -> None:
        answers = self._answers.setdefault(domain, deque())
        answers.append((now, is_good))
        while answers[0][0] < now - self.WINDOW_S:
            answers.popleft()
        if len(answers) >= self.LEAST and sum(good for _, good in answers) < self.SHARE * len(answers):
            self._blocked_until[domain] = now + self.BLOCK_S
            answers.clear()


class Deliveries:
    """The outbox of a twin. ``post`` sends one message and gives the status; it raises OSError when it cannot.

    ``on_exhausted(hook_id)`` is called when the last retry failed. ``retries_s`` are waits between attempts, scaled by
    ``time_scale`` (0.01: a hundred times faster than the vendor).
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rng: random.Random,
        secret: bytes,
        post: Post | None,
        retries_s: Sequence[float],
        time_scale: float = 1.0,
        delay_s: float = 0.0,
        on_exhausted: Callable[[int], None] | None = None,
        blocks_domains: bool = False,
    ) -> None:
        self.clock = clock
        self.mishaps = Mishaps()
        self.post = post
        self.time_scale = time_scale
        self.sent = 0
        self.acknowledged = 0
        self.failed = 0
        self.lost = 0
        self._rng = rng
        self._secret = secret
        self._retries_s = tuple(retries_s)
        self._delay_s = delay_s
        self._on_exhausted = on_exhausted
        self._record = DomainRecord() if blocks_domains else None
        self._due: list[tuple[float, int, Delivery]] = []
        self._count = 0
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    @property
    def next_at(self) -> float | None:
        """Monotonic time of the next attempt."""
        return self._due[0][0] if self._due else None

    def add(self, *, hook_id: int, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Queue one message; the mishaps are drawn here."""
        now = self.clock.monotonic()
        delivery = Delivery(
            id=f"msg_{self._rng.getrandbits(96):024x}", hook_id=hook_id, url=url, body=body, headers=headers
        )
        mishaps = self.mishaps
        if self._struck(mishaps.lost):
            self.lost += 1
            return
        at = now + self._delay_s
        if self._struck(mishaps.delayed):
            at += self._between(*mishaps.delay_s)
        if self._struck(mishaps.reordered):
            at += self._between(0.0, mishaps.reorder_s)
        self._push(at, delivery)
        if self._struck(mishaps.doubled):
            self._push(at + self._between(0.0, mishaps.reorder_s), msgspec.structs.replace(delivery))

    async def deliver_due(self) -> int:
        """Send everything that is due now, one after the other; the number of attempts."""
        attempts = 0
        now = self.clock.monotonic()
        while self._due and self._due[0][0] <= now and self.post is not None:
            delivery = heapq.heappop(self._due)[2]
            await self._attempt(delivery)
            attempts += 1
        return attempts

    async def run(self, *, at_once: int = 16) -> None:
        """Deliver for ever, up to ``at_once`` at a time. Cancel to stop."""
        gate = asyncio.Semaphore(at_once)
        async with asyncio.TaskGroup() as group:
            while True:
                while self._due and self._due[0][0] <= self.clock.monotonic() and self.post is not None:
                    await gate.acquire()
                    delivery = heapq.heappop(self._due)[2]
                    group.create_task(self._attempt(delivery)).add_done_callback(lambda _: gate.release())
                self._news.clear()
                await until(self.clock, self.next_at, self._news)

    async def _attempt(self, delivery: Delivery) -> None:
        domain = urlsplit(delivery.url).netloc
        blocked_s = self._record.blocked_s(domain, self.clock.monotonic()) if self._record is not None else 0.0
        delivery.attempts += 1
        status = 0 if blocked_s else await self._posted(delivery)
        is_good = 200 <= status < 300
        if self._record is not None and not blocked_s:
            self._record.note(domain, self.clock.monotonic(), is_good=is_good)
        if is_good:
            self.acknowledged += 1
            return
        self.failed += 1
        if delivery.attempts > len(self._retries_s):
            if self._on_exhausted is not None:
                self._on_exhausted(delivery.hook_id)
            return
        wait_s = max(self._retries_s[delivery.attempts - 1] * self.time_scale, blocked_s)
        self._push(self.clock.monotonic() + wait_s, delivery)

    async def _posted(self, delivery: Delivery) -> int:
        """The status of one attempt; 0 when there was none."""
        if self.post is None:
            return 0
        self.sent += 1
        headers = {
            **delivery.headers,
            **signature(self._secret, delivery.id, self.clock.now().timestamp(), delivery.body),
        }
        try:
            return await self.post(delivery.url, headers, delivery.body)
        except OSError:
            return 0

    def _push(self, at: float, delivery: Delivery) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, delivery))
        self._news.set()

    def _struck(self, probability: float) -> bool:
        return probability > 0 and self._rng.random() < probability

    def _between(self, low: float, high: float) -> float:
        return low + (high - low) * self._rng.random()


def signature(secret: bytes, message_id: str, at_s: float, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks, signed with the raw bytes of ``secret``."""
    stamp = str(int(at_s))
    digest = hmac.new(secret, b".".join((message_id.encode(), stamp.encode(), body)), hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
