"""The leave to make outside calls: who pays from the call budget, and whether the lane is still ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from storeweave.model.records import Priority


def _always() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Handed down with every connector verb.

    ``check`` is called by the connector just before every remote *write*; it raises LeaseLostError when the lane is no
    longer ours or the lease is nearly over (semantics 3.1, engine.md 2.5). ``repeats`` is how often a connector may at
    once repeat a *read* that got no usable answer: some reads take dozens of calls, and would never get through a bad
    line in one go. 0 for a probe of a store that is believed to be down.
    """

    priority: Priority = Priority.NORMAL
    check: Callable[[], None] = _always
    repeats: int = 2


class CallBudget(Protocol):
    """One connection's purse of calls, shared by all flows and fed by the vendor's own headers."""

    async def spend(self, priority: Priority) -> None:
        """Wait until a call may be made. Sweeps may only use their share; deletes and prices go first.

        Raises RateLimitedError when the wait would be longer than the budget lets a caller hang.
        """

    def learn(self, *, left: int | None, quota: int | None, reset_s: float | None) -> None:
        """What an answer's headers said about the window; unknown values are None."""

    def hold(self, wait_s: float) -> None:
        """The vendor said stop (429): no call starts for ``wait_s`` seconds."""
