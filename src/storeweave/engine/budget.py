"""One purse of calls per connection, shared by all flows and fed by the vendor's own headers.

A token bucket paces us when the vendor says nothing; what the vendor says overrides it. Callers wait in order of
urgency: deletes and prices before images, sweeps last and only out of their share (semantics 3.5).
"""

from __future__ import annotations

from collections import deque
from math import inf

from storeweave.model.errors import RateLimitedError
from storeweave.model.records import RANK, Priority
from storeweave.ports.clock import Clock

SWEEP_SHARE = 0.2
"""Part of a window's quota that sweeps may spend while something else may need it."""
_ROUNDING = 1e-6
_GIVE_WAY_S = 0.05
_SPARE = 0.05
"""Part of a window's quota left to other programs of the same account."""


class Purse:
    """The CallBudget of one connection (``storeweave.ports.permit``)."""

    def __init__(
        self,
        clock: Clock,
        *,
        calls_per_s: float | None = None,
        burst: int | None = None,
        longest_wait_s: float = 60.0,
    ) -> None:
        """``calls_per_s`` None: no pace of our own, only what the vendor's headers say."""
        self._clock = clock
        self._rate = calls_per_s
        self._burst = float(burst if burst is not None else max(1.0, calls_per_s or 1.0))
        self._tokens = self._burst
        self._filled_at = clock.monotonic()
        self._longest_wait_s = longest_wait_s
        self._held_until = 0.0
        self._left: float | None = None
        self._quota: int | None = None
        self._window_ends = 0.0
        self._sweep_spent: deque[float] = deque()
        self._waiting: dict[Priority, int] = {}
        self.calls = 0
        self.spent: dict[Priority, int] = {}
        self.limited = 0

    async def spend(self, priority: Priority) -> None:
        """Wait for a call; see ``CallBudget.spend``."""
        waited = 0.0
        self._waiting[priority] = self._waiting.get(priority, 0) + 1
        try:
            while (wait := self._wait_s(priority)) > 0:
                if waited + wait > self._longest_wait_s:
                    raise RateLimitedError(f"call budget is spent for another {wait:.1f} s", wait_s=wait)
                await self._clock.sleep(wait)
                waited += wait
        finally:
            self._waiting[priority] -= 1
        self._take(priority)

    def learn(self, *, left: int | None, quota: int | None, reset_s: float | None) -> None:
        """Take the vendor's word for what is left of the window."""
        now = self._clock.monotonic()
        if quota is not None:
            self._quota = quota
        if left is not None:
            self._left = float(left)
        if reset_s is not None:
            self._window_ends = now + reset_s

    def hold(self, wait_s: float) -> None:
        """The vendor said stop."""
        self.limited += 1
        self._held_until = max(self._held_until, self._clock.monotonic() + wait_s)

    @property
    def left(self) -> int | None:
        """Calls left in the vendor's window, as last heard; None when the vendor doesn't say."""
        return None if self._left is None else int(self._left)

    @property
    def quota(self) -> int | None:
        """Calls per window, as last heard."""
        return self._quota

    def _wait_s(self, priority: Priority) -> float:
        now = self._clock.monotonic()
        if now < self._held_until:
            return self._held_until - now
        urgent = sum(n for p, n in self._waiting.items() if RANK[p] < RANK[priority])
        if urgent and self._available(now) < urgent + 1:
            return max(_GIVE_WAY_S, self._pace_s(now))  # the calls there are belong to somebody more urgent
        if self._left is not None and now < self._window_ends:
            spare = int((self._quota or 0) * _SPARE)
            if self._left <= spare or (priority is Priority.SWEEP and self._sweeps_too_many(now)):
                return self._window_ends - now
        return self._pace_s(now)

    def _available(self, now: float) -> float:
        """Calls that could start now."""
        self._pace_s(now)
        paced = self._tokens if self._rate is not None else inf
        left = inf if self._left is None or now >= self._window_ends else self._left - int((self._quota or 0) * _SPARE)
        return min(paced, left) + _ROUNDING

    def _sweeps_too_many(self, now: float) -> bool:
        window = 30.0
        while self._sweep_spent and self._sweep_spent[0] < now - window:
            self._sweep_spent.popleft()
        return self._quota is not None and len(self._sweep_spent) >= max(1.0, self._quota * SWEEP_SHARE)

    def _pace_s(self, now: float) -> float:
        if self._rate is None:
            return 0.0
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        missing = 1.0 - self._tokens
        return 0.0 if missing < _ROUNDING else missing / self._rate

    def _take(self, priority: Priority) -> None:
        self.calls += 1
        self.spent[priority] = self.spent.get(priority, 0) + 1
        if self._rate is not None:
            self._tokens -= 1.0
        if self._left is not None:
            self._left -= 1
        if priority is Priority.SWEEP:
            self._sweep_spent.append(self._clock.monotonic())
