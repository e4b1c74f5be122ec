"""Two replicas behind one address: a reader sees the new version, and a moment later the old one again."""

from __future__ import annotations

from random import Random

from storeweave.model.kinds import Key
from storeweave.model.records import Record
from storeweave.twinkit.lag import LaggingView


class TwoReplicas(LaggingView[Key, Record]):
    """While one replica lags behind, each look asks either of them."""

    def __init__(self, rng: Random, *, lag_s: float) -> None:
        super().__init__(rng, lag_s=lag_s)
        self._which = rng

    def shown(self, key: Key, current: Record | None, now: float) -> Record | None:
        behind = super().shown(key, current, now)
        return behind if self._which.random() < 0.5 else current
