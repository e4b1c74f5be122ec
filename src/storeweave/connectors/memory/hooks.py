"""The webhooks of a memory shop: subscriptions, and notices that get lost, doubled, delayed and overtaken.

Nothing is sent by itself: a notice without delay goes out inside the change that caused it, a delayed one when
somebody pumps or touches the shop at a later clock time. ``sign`` and ``verified`` are the two ends of the signature.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from storeweave.model.errors import BadRequestError, BadSignatureError
from storeweave.model.kinds import ConnectionName, Key, Kind
from storeweave.model.records import Cause, Event, Notice, Priority
from storeweave.ports.clock import Clock
from storeweave.ports.connector import HookRequest, HookState
from storeweave.twinkit.landing import Landings

Sink = Callable[[Notice], bool]
"""Takes a notice; False: not accepted (the door is down), so it is sent again later."""
TOLERANCE_S = 300


class NoticeFaults(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to notices on their way. Different delays are what makes them overtake each other."""

    lost: float = 0.0  # probability
    doubled: float = 0.0  # probability that one is sent again with the same delivery id
    delay_s: tuple[float, float] = (0.0, 0.0)
    retry_s: float = 60.0  # a notice that was not accepted is sent again after this long


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a memory shop posts."""

    scope: str  # "product/updated"
    key: str
    event: str
    happened_at: datetime


class _Subscription(msgspec.Struct, frozen=True):
    sink: Sink
    url: str | None


class Hooks:
    """Who is told about changes, and how well."""

    def __init__(
        self, *, shop: str, clock: Clock, rng: random.Random, faults: NoticeFaults | None = None, secret: bytes = b""
    ) -> None:
        self.faults = faults or NoticeFaults()
        self.secret = secret or hashlib.sha256(shop.encode()).digest()
        self.subscribed: dict[str, HookState] = {}
        self.sent = 0
        self.lost = 0
        self._shop = shop
        self._clock = clock
        self._rng = rng
        self._due = Landings()
        self._sinks: list[_Subscription] = []
        self._count = 0

    @property
    def next_at(self) -> float | None:
        """Monotonic time of the next delayed notice."""
        return self._due.next_at

    def listen(self, sink: Sink, *, url: str | None = None) -> None:
        """Hear every notice; with ``url`` only while an active hook points to that address."""
        self._sinks.append(_Subscription(sink, url))

    def forget(self, sink: Sink) -> None:
        """Stop hearing (a process that died)."""
        self._sinks = [s for s in self._sinks if s.sink != sink]

    def emit(self, kind: Kind, key: Key, event: Event, verb: str, happened_at: datetime) -> None:
        """Tell of one change, or lose it."""
        if not self._sinks:
            return
        self._count += 1
        faults = self.faults
        if faults.lost and self._rng.random() < faults.lost:
            self.lost += 1
            return
        notice = Notice(
            connection=ConnectionName(self._shop),
            kind=kind,
            key=key,
            cause=Cause.WEBHOOK,
            event=event,
            delivery_id=f"{self._shop}-{self._count}",
            topic=f"{kind}/{verb}",
            happened_at=happened_at,
            priority=Priority.DELETE if event is Event.DELETED else Priority.NORMAL,
        )
        times = 2 if faults.doubled and self._rng.random() < faults.doubled else 1
        for _ in range(times):
            self._send_after(notice, self._rng.uniform(*faults.delay_s) if faults.delay_s[1] else 0.0)

    def pump(self) -> int:
        """Send what is due by now; the number."""
        return self._due.apply_due(self._clock.monotonic())

    def _send_after(self, notice: Notice, delay_s: float) -> None:
        if delay_s <= 0:
            self._send(notice)
        else:
            self._due.add(self._clock.monotonic() + delay_s, lambda: self._send(notice))

    def _send(self, notice: Notice) -> None:
        self.sent += 1
        active = {hook.destination for hook in self.subscribed.values() if hook.is_active}
        taken = [s.sink(notice) for s in self._sinks if s.url is None or s.url in active]
        if not all(taken):
            self._send_after(notice, self.faults.retry_s)

    def request(self, notice: Notice, *, at: datetime | None = None) -> HookRequest:
        """A notice as the signed request that this shop would post."""
        sent_at = at or self._clock.now()
        happened_at = notice.happened_at or sent_at
        raw = msgspec.json.encode(Body(scope=notice.topic, key=notice.key, event=notice.event, happened_at=happened_at))
        stamp = str(int(sent_at.timestamp()))
        delivery = notice.delivery_id or ""
        return HookRequest(
            headers={
                "memory-id": delivery,
                "memory-timestamp": stamp,
                "memory-signature": sign(self.secret, delivery, stamp, raw),
            },
            body=raw,
        )


def sign(secret: bytes, delivery: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA256 (hex) over ``delivery.stamp.body``."""
    return hmac.new(secret, f"{delivery}.{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def verified(secret: bytes, request: HookRequest, *, now: datetime) -> tuple[str, Body]:
    """Delivery id and body of a genuine request. Raises BadSignatureError or BadRequestError."""
    delivery = request.headers.get("memory-id", "")
    stamp = request.headers.get("memory-timestamp", "")
    given = request.headers.get("memory-signature", "")
    if not given.isascii() or not hmac.compare_digest(sign(secret, delivery, stamp, request.body), given):
        raise BadSignatureError("the notice is not signed by this shop")
    if abs(now - datetime.fromtimestamp(int(stamp), tz=now.tzinfo)) > timedelta(seconds=TOLERANCE_S):
        raise BadSignatureError("the notice is too old or from the future")
    try:
        return delivery, msgspec.json.decode(request.body, type=Body)
    except msgspec.DecodeError as e:
        raise BadRequestError(f"the notice cannot be read: {e}") from e
