"""Late reads: for a while after a write, readers still see the version before it, as from a replica that lags."""

from __future__ import annotations

import random
from collections import deque
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LaggingView(Generic[K, V]):
    """Remembers replaced values until readers may see their successors.

    ``lag_s`` 0 turns it off. A share of the writes (``share``) is late by a random part of ``lag_s``; a later write of
    the same key never becomes visible before an earlier one.
    """

    def __init__(self, rng: random.Random, *, lag_s: float = 0.0, share: float = 1.0) -> None:
        self.lag_s = lag_s
        self.share = share
        self._rng = rng
        self._before: dict[K, deque[tuple[float, V | None]]] = {}

    def note(self, key: K, before: V | None, now: float) -> None:
        """The value of ``key`` was ``before`` (None: not there) and is replaced now."""
        if self.lag_s <= 0:
            return
        late = self._rng.random() < self.share
        until = now + (self._rng.random() * self.lag_s if late else 0.0)
        held = self._before.get(key)
        if held:
            until = max(until, held[-1][0])
        if until > now:
            self._before.setdefault(key, deque()).append((until, before))

    def shown(self, key: K, current: V | None, now: float) -> V | None:
        """What a reader sees now."""
        held = self._before.get(key)
        if held is None:
            return current
        while held and held[0][0] <= now:
            held.popleft()
        if not held:
            del self._before[key]
            return current
        return held[0][1]

    def late_keys(self, now: float) -> list[K]:
        """Keys whose readers see an older version."""
        if not self._before:
            return []
        for key in list(self._before):
            self.shown(key, None, now)
        return list(self._before)
