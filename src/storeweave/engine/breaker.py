"""Notice an outage, and stop knocking at every door of the house: one probe at a time until one is answered.

An outage is several keys failing without any success between, so that one bad key can never look like one.
"""

from __future__ import annotations

from collections.abc import Iterable

from storeweave.model.records import FlowKey
from storeweave.ports.clock import Clock

KEYS = 3
PROBE_S = 30.0


class Breaker:
    """One destination's breaker: closed (normal), open (waiting), half open (one probe)."""

    def __init__(self, clock: Clock, *, probe_s: float = PROBE_S) -> None:
        self._clock = clock
        self._probe_s = probe_s
        self._failed: set[FlowKey] = set()
        self._open_until: float | None = None

    @property
    def is_open(self) -> bool:
        """An outage is believed; only probes go out."""
        return self._open_until is not None

    def wait_s(self) -> float:
        """Seconds until the next probe may go; 0 when calls may go now."""
        return max(0.0, (self._open_until or 0.0) - self._clock.monotonic())

    def failed(self, keys: Iterable[FlowKey]) -> bool:
        """These keys failed in a way that may heal. True when this opened the breaker."""
        self._failed.update(keys)
        if self.is_open or len(self._failed) >= KEYS:
            was_open = self.is_open
            self._open_until = self._clock.monotonic() + self._probe_s
            return not was_open
        return False

    def succeeded(self) -> bool:
        """Something got through. True when this closed the breaker."""
        was_open = self.is_open
        self._failed.clear()
        self._open_until = None
        return was_open
