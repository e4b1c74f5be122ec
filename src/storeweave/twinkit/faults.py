"""What goes wrong with calls to a twin, drawn from a seed: refusals, broken lines, lies, late effects."""

from __future__ import annotations

import random
from enum import StrEnum

import msgspec


class Fault(StrEnum):
    """One way for a call to go wrong. In the comment: whether it takes effect."""

    LIMITED = "limited"  # 429 with the quota headers; no
    OVERLOADED = "overloaded"  # 429 without them; no
    FAILED_BEFORE = "failed_before"  # 500 or 503; no
    FAILED_AFTER = "failed_after"  # 500, 502 or 504; yes
    RESET_BEFORE = "reset_before"  # connection breaks; no
    RESET_AFTER = "reset_after"  # connection breaks; yes
    SILENT = "silent"  # never answered; no
    LATE = "late"  # never answered; yes, some time later
    TORN = "torn"  # the answer stops in the middle; yes
    PAGE = "page"  # 200 with a page in HTML; no
    ERROR_200 = "error_200"  # 200 with an error in its body; no
    SLOW = "slow"  # answered late, maybe later than the caller waits; yes


HAS_EFFECT = frozenset({Fault.FAILED_AFTER, Fault.RESET_AFTER, Fault.LATE, Fault.TORN, Fault.SLOW})


class FaultRates(msgspec.Struct, frozen=True, kw_only=True):
    """Probability of each fault per call, and which calls they strike."""

    limited: float = 0.0
    overloaded: float = 0.0
    failed_before: float = 0.0
    failed_after: float = 0.0
    reset_before: float = 0.0
    reset_after: float = 0.0
    silent: float = 0.0
    late: float = 0.0
    torn: float = 0.0
    page: float = 0.0
    error_200: float = 0.0
    slow: float = 0.0
    on: str = "all"  # "reads", "writes" or "all"
    template: str = ""  # only path templates that contain this
    late_s: tuple[float, float] = (0.2, 5.0)  # how much later a late effect lands
    slow_s: tuple[float, float] = (0.5, 3.0)

    @classmethod
    def evenly(cls, share: float, *, on: str = "all", late_s: tuple[float, float] = (0.2, 5.0)) -> FaultRates:
        """Strike ``share`` of the calls, every fault equally often."""
        return cls(**dict.fromkeys(map(str, Fault), share / len(Fault)), on=on, late_s=late_s)  # type: ignore[arg-type]

    def total(self) -> float:
        return sum(float(getattr(self, fault)) for fault in Fault)


class Drawn(msgspec.Struct, frozen=True):
    """A fault that strikes; ``delay_s`` for the late and the slow, ``chance`` in [0, 1) for lesser choices."""

    fault: Fault
    delay_s: float
    chance: float


class FaultPlan:
    """Draws a fault or none for each call. Rates may be changed at run time; ``outage`` fails every call."""

    def __init__(self, rng: random.Random, rates: FaultRates | None = None) -> None:
        self._rng = rng
        self._rates = rates or FaultRates()
        self._any = self._rates.total() > 0
        self.outage: str | None = None  # "refused", "reset", "silent", "500", "503" or "401"
        self.drawn: dict[Fault, int] = {}

    @property
    def rates(self) -> FaultRates:
        return self._rates

    def set(self, rates: FaultRates | None) -> None:
        """Change the rates; None: nothing goes wrong any more."""
        self._rates = rates or FaultRates()
        self._any = self._rates.total() > 0

    def draw(self, template: str, *, is_read: bool) -> Drawn | None:
        if not self._any:
            return None
        rates = self._rates
        if (rates.on == "reads") != is_read and rates.on != "all":
            return None
        if rates.template and rates.template not in template:
            return None
        point = self._rng.random()
        for fault in Fault:
            point -= getattr(rates, fault)
            if point < 0:
                self.drawn[fault] = self.drawn.get(fault, 0) + 1
                low, high = rates.slow_s if fault is Fault.SLOW else rates.late_s
                return Drawn(fault, low + (high - low) * self._rng.random(), self._rng.random())
        return None
