"""What goes wrong with calls to a memory shop: drawn from a seed by rates, or scripted one by one.

A fault is drawn once per remote call. What each one means for the caller is done by the connector; what it means for
the shop's state (late landings, late reads) is done by the shop.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Sort(StrEnum):
    """The two classes of calls that faults are drawn for."""

    READ = "read"
    WRITE = "write"


class Fault(StrEnum):
    """One way for a call to go wrong. In the comment: what the caller sees; whether a write takes effect."""

    LIMITED = "limited"  # RateLimitedError; no
    FAILED = "failed"  # TransientError, as for a 5xx; no
    NOT_SENT = "not_sent"  # NotSentError; no
    BLOCKED = "blocked"  # LaneBlockedError, as for a 401; no
    UNKNOWN = "unknown"  # UnknownOutcomeError; no
    UNKNOWN_AFTER = "unknown_after"  # UnknownOutcomeError; yes (only writes)
    LATE = "late"  # UnknownOutcomeError; yes, up to ``late_s`` later (only writes)
    PARTIAL = "partial"  # an outcome per key: about half of them fail, the others are written (only writes)
    BUG = "bug"  # ValueError, as from a mistake in our own code; no
    EMPTY = "empty"  # an empty listing or answer with status 200 (only reads)
    MISSING_PAGE = "missing_page"  # a listing leaves a page out (only reads)
    ZEROES = "zeroes"  # every number in the answer is zero (only reads)


HARD = (Fault.LIMITED, Fault.FAILED, Fault.NOT_SENT, Fault.UNKNOWN)
"""Faults of reads that tell the truth: an error and no answer."""
WRITE_FAULTS = (*HARD, Fault.UNKNOWN_AFTER, Fault.LATE, Fault.PARTIAL)
LIES = (Fault.EMPTY, Fault.MISSING_PAGE, Fault.ZEROES)
"""Faults of reads that look like good answers."""


class FaultRates(msgspec.Struct, frozen=True, kw_only=True):
    """Probability of each fault per call, by class of call; how late is late."""

    read: Mapping[Fault, float] = {}
    write: Mapping[Fault, float] = {}
    late_s: float = 30.0  # longest time after which a LATE write lands
    limited_wait_s: float = 1.0  # what a LIMITED answer asks for
    silence_s: float = 0.0  # how long a caller hangs before an unknown outcome is seen as such
    orphaned: float = 0.0  # share of writes that still land when their caller dies while they are on their way

    @classmethod
    def evenly(
        cls,
        share: float,
        *,
        lies: bool = False,
        late_s: float = 30.0,
        limited_wait_s: float = 1.0,
        silence_s: float = 0.0,
    ) -> FaultRates:
        """Strike ``share`` of the calls, every fault of their class equally often."""
        reads = HARD + LIES if lies else HARD
        return cls(
            read=dict.fromkeys(reads, share / len(reads)),
            write=dict.fromkeys(WRITE_FAULTS, share / len(WRITE_FAULTS)),
            late_s=late_s,
            limited_wait_s=limited_wait_s,
            silence_s=silence_s,
        )


class FaultPlan:
    """Draws a fault or none for each call.

    Three sources, in this order: ``outage`` strikes every call until it is set to None again; ``script`` strikes the
    next calls of a class in turn; ``rates`` strikes by chance. ``poison`` are SKUs (of products or variants) or names
    whose writes are always refused; ``buggy`` are those over which our own code stumbles with a plain ValueError, for
    reads as well when in ``buggy_reads``.
    """

    def __init__(self, rng: random.Random | None = None, rates: FaultRates | None = None) -> None:
        self.rng = rng or random.Random(0)
        self.rates = rates or FaultRates()
        self.outage: Fault | None = None
        self.poison: set[str] = set()
        self.buggy: set[str] = set()
        self.buggy_reads: set[str] = set()
        self.drawn: dict[Fault, int] = {}
        self._scripts: dict[Sort, deque[Fault | None]] = {sort: deque() for sort in Sort}

    def script(self, sort: Sort, *faults: Fault | None) -> None:
        """What happens to the next calls of this class, one each; None: that call goes well."""
        self._scripts[sort].extend(faults)

    def calm(self) -> None:
        """Nothing goes wrong by chance, script or outage any more; poison and bugs stay."""
        self.rates = msgspec.structs.replace(self.rates, read={}, write={})
        self.outage = None
        for script in self._scripts.values():
            script.clear()

    def draw(self, sort: Sort) -> Fault | None:
        """The fault of one call."""
        fault = self._pick(sort)
        if fault is not None:
            self.drawn[fault] = self.drawn.get(fault, 0) + 1
        return fault

    def late_by_s(self) -> float:
        """How much later a LATE write lands."""
        return self.rng.random() * self.rates.late_s

    def _pick(self, sort: Sort) -> Fault | None:
        if self.outage is not None:
            return self.outage
        script = self._scripts[sort]
        if script:
            return script.popleft()
        rates = self.rates.read if sort is Sort.READ else self.rates.write
        if not rates:
            return None
        point = self.rng.random()
        for fault, share in rates.items():
            point -= share
            if point < 0:
                return fault
        return None
