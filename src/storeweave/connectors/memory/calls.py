"""One remote call to a memory shop: what it costs, how it travels, and every way in which it can go wrong.

The points at which a caller waits are real awaits: before the request arrives and before its answer is back, so that
a simulation can interleave, crash or let time pass at each of them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from typing import TypeVar

from storeweave.connectors.memory.faults import Fault, FaultPlan, Sort
from storeweave.connectors.memory.log import Sending
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.model.errors import (
    LaneBlockedError,
    NotSentError,
    RateLimitedError,
    StoreweaveError,
    TransientError,
    UnknownOutcomeError,
)
from storeweave.model.kinds import Key, Kind
from storeweave.ports.clock import Clock
from storeweave.ports.permit import CallBudget, Permit
from storeweave.twinkit.limits import QuotaWindow

T = TypeVar("T")


class Caller:
    """The wire to one shop, for one owner."""

    def __init__(
        self,
        shop: MemoryShop,
        *,
        clock: Clock,
        rng: random.Random,
        faults: FaultPlan,
        owner: str,
        budget: CallBudget | None,
        quota: QuotaWindow | None,
        latency_s: tuple[float, float],
    ) -> None:
        self.faults = faults
        self._shop = shop
        self._clock = clock
        self._rng = rng
        self._owner = owner
        self._budget = budget
        self._quota = quota
        self._latency_s = latency_s

    async def read(
        self, verb: str, kind: Kind | None, permit: Permit, answer: Callable[[], T], *, lie: Callable[[Fault, T], T]
    ) -> T:
        """A call without effect. ``lie`` makes the wrong answer of a fault that looks like a right one."""
        fault = await self._start(verb, kind, permit, Sort.READ)
        await self._travel()
        self._shop.touch()
        result = answer()
        if fault is not None:
            result = lie(fault, result)
        await self._travel()
        return result

    async def write(
        self, kind: Kind, keys: Collection[Key], permit: Permit, effect: Callable[[], T], *, half: Callable[[], T]
    ) -> T:
        """A call with an effect; ``half`` is the effect of one that serves only some of its rows.

        ``effect`` holds the absolute content of the request: when it lands late, it overwrites what is newer.
        """
        fault = await self._start("write", kind, permit, Sort.WRITE)
        sending = Sending(
            by=self._owner, kind=kind, keys=frozenset(keys), started_at=self._clock.monotonic(), ended_at=None
        )
        self._shop.log.sendings.append(sending)
        try:
            await self._leave(effect)
            self._shop.touch()
            if fault is Fault.LATE:
                self._shop.land_later(self.faults.late_by_s(), effect)
                await self._be_silent()
                raise UnknownOutcomeError(f"no answer to a write of {kind}")
            result = half() if fault is Fault.PARTIAL else effect()
            await self._travel()
        finally:
            sending.ended_at = self._clock.monotonic()
        if fault is Fault.UNKNOWN_AFTER:
            await self._be_silent()
            raise UnknownOutcomeError(f"the answer to a write of {kind} was lost")
        return result

    async def _start(self, verb: str, kind: Kind | None, permit: Permit, sort: Sort) -> Fault | None:
        """Pay, ask for leave, and meet the faults that strike before anything has happened."""
        if self._budget is not None:
            await self._budget.spend(permit.priority)
        if sort is Sort.WRITE:
            permit.check()
        self._shop.log.calls[f"{verb} {kind}" if kind else verb] += 1
        fault = self.faults.draw(sort)
        self._count_against_quota()
        if fault is None or fault in {Fault.UNKNOWN_AFTER, Fault.LATE, Fault.PARTIAL}:
            return fault
        if fault is Fault.BUG:
            raise ValueError(f"a mistake of ours in {verb} {kind}")
        error = self._error(fault, f"{verb} {kind or ''}".strip())
        if error is None:
            return fault
        await self._travel()
        if fault is Fault.UNKNOWN:
            await self._be_silent()
        raise error

    def _error(self, fault: Fault, what: str) -> StoreweaveError | None:
        if fault is Fault.LIMITED:
            return self._limited(self.faults.rates.limited_wait_s)
        if fault is Fault.FAILED:
            return TransientError(f"{self._shop.name} answered 503 to {what}")
        if fault is Fault.NOT_SENT:
            return NotSentError(f"{self._shop.name} could not be reached for {what}")
        if fault is Fault.BLOCKED:
            return LaneBlockedError(f"{self._shop.name} answered 401 to {what}")
        if fault is Fault.UNKNOWN:
            return UnknownOutcomeError(f"no answer to {what}")
        return None

    def _count_against_quota(self) -> None:
        if self._quota is None:
            return
        state = self._quota.take(self._clock.monotonic())
        if self._budget is not None:
            self._budget.learn(left=state.left, quota=state.quota, reset_s=state.reset_s)
        if not state.allowed:
            self._shop.log.calls["refused for the quota"] += 1
            raise self._limited(state.reset_s)

    def _limited(self, wait_s: float) -> RateLimitedError:
        if self._budget is not None:
            self._budget.hold(wait_s)
        return RateLimitedError(f"{self._shop.name} asks for a pause", wait_s=wait_s)

    async def _leave(self, effect: Callable[[], object]) -> None:
        """Travel to the shop. What has left a process may arrive although the process has died meanwhile."""
        try:
            await self._travel()
        except asyncio.CancelledError:
            if self._rng.random() < self.faults.rates.orphaned:
                self._shop.land_later(self._rng.uniform(*self._latency_s), effect)
            raise

    async def _travel(self) -> None:
        low, high = self._latency_s
        if high > 0:
            await self._clock.sleep(self._rng.uniform(low, high) / 2)
        else:
            await asyncio.sleep(0)

    async def _be_silent(self) -> None:
        if self.faults.rates.silence_s > 0:
            await self._clock.sleep(self.faults.rates.silence_s)
