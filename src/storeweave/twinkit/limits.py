"""A vendor's limits on its callers: a quota per window, and caps on calls under way at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec


class WindowState(msgspec.Struct, frozen=True):
    """What an answer's headers say about the quota."""

    allowed: bool
    left: int
    quota: int
    window_s: float
    reset_s: float


class QuotaWindow:
    """So many calls per window; the window starts with the first call after the last one ended.

    ``quota`` None: calls are counted against a quota that nobody reaches, and never refused.
    """

    UNLIMITED = 1_000_000

    def __init__(self, quota: int | None, *, window_s: float = 30.0) -> None:
        self.quota = quota
        self.window_s = window_s
        self._ends_at = -math.inf
        self._used = 0

    def take(self, now: float) -> WindowState:
        """Count one call at the monotonic time ``now``."""
        if now >= self._ends_at:
            self._ends_at = now + self.window_s
            self._used = 0
        quota = self.UNLIMITED if self.quota is None else self.quota
        allowed = self.quota is None or self._used < quota
        if allowed:
            self._used += 1
        return WindowState(allowed, max(0, quota - self._used), quota, self.window_s, max(0.0, self._ends_at - now))

    def exhaust(self, now: float) -> WindowState:
        """Use up what is left of the window, as other programs on the same account do."""
        state = self.take(now)
        if self.quota is not None:
            self._used = self.quota
        return WindowState(False, 0, state.quota, state.window_s, state.reset_s)


class Gates:
    """Caps on calls of one sort that are under way at once, by the gate's name."""

    def __init__(self, caps: Mapping[str, int]) -> None:
        self.caps = dict(caps)
        self.busiest: dict[str, int] = {}
        self._open: dict[str, int] = {}

    def enter(self, gate: str) -> bool:
        """True when the call may go on; it must then ``leave``."""
        under_way = self._open.get(gate, 0)
        if under_way >= self.caps.get(gate, 1_000_000):
            return False
        self._open[gate] = under_way + 1
        self.busiest[gate] = max(self.busiest.get(gate, 0), under_way + 1)
        return True

    def leave(self, gate: str) -> None:
        self._open[gate] -= 1
