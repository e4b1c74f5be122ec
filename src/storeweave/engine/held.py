"""A lane in our hands: the lease, its renewal, and the look at the deadline before every write (semantics 3.1).

The fence alone is not enough: a paused process may wake up in the middle of a batch and write old content over new.
So the deadline is looked at just before each remote write, by a clock that counts suspension, and whoever finds the
epoch moved marks its whole batch again (``Store.settle`` does that).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from storeweave.engine.safety import ALL_RULES, SafetyRules
from storeweave.model.errors import LeaseLostError, TransientError
from storeweave.model.kinds import LaneName
from storeweave.model.records import FlowKey, Priority
from storeweave.model.state import LaneHold
from storeweave.ports.clock import Clock
from storeweave.ports.permit import Permit
from storeweave.ports.store import JournalStore

_RENEW_AFTER = 3.0
"""A lease is renewed when a third of it is over."""
_MARGIN = 0.2
"""No write starts in the last fifth of a lease."""


class HeldLane:
    """Owns one lane until it is released or lost."""

    def __init__(self, hold: LaneHold, store: JournalStore, clock: Clock, asked_at: float, safety: SafetyRules) -> None:
        self.hold = hold
        self._store = store
        self._clock = clock
        self._deadline = asked_at + hold.lease_s
        self._lost = False
        self._safety = safety

    def check(self) -> None:
        """Raise LeaseLostError when nothing more may be written."""
        if not self._safety.check_lease_before_write:
            return
        if self._lost or self._clock.monotonic() > self._deadline - self.hold.lease_s * _MARGIN:
            raise LeaseLostError(f"the lease on lane {self.hold.lane} is over")

    def permit(self, priority: Priority) -> Permit:
        """Leave to call the outside under this lane."""
        return Permit(priority=priority, check=self.check)

    def probe(self, priority: Priority) -> Permit:
        """The same for a destination that is believed to be down: nothing is repeated."""
        return Permit(priority=priority, check=self.check, repeats=0)

    async def renew(self, in_hand: Sequence[FlowKey] | None = None) -> None:
        """Extend the lease; raises LeaseLostError when somebody else has the lane."""
        asked_at = self._clock.monotonic()
        if not await self._store.renew_lane(self.hold, in_hand):
            self.lose()
            raise LeaseLostError(f"lane {self.hold.lane} has another owner now")
        self._deadline = asked_at + self.hold.lease_s

    def lose(self) -> None:
        """Nothing may be written any more."""
        self._lost = True

    async def keep(self) -> None:
        """Renew for as long as this runs. The caller owns the task."""
        while not self._lost:
            await self._clock.sleep(self.hold.lease_s / _RENEW_AFTER)
            # Where our own database is away for a moment, the deadline stands and the next try may still be in time.
            with suppress(LeaseLostError, TransientError):
                await self.renew()


@asynccontextmanager
async def held(
    lane: LaneName,
    *,
    store: JournalStore,
    clock: Clock,
    holder: str,
    lease_s: float,
    exclusive: bool = False,
    safety: SafetyRules = ALL_RULES,
) -> AsyncIterator[HeldLane | None]:
    """Take the lane for the duration of the block; None when somebody else has it."""
    asked_at = clock.monotonic()
    hold = await store.take_lane(lane, holder, lease_s, exclusive=exclusive)
    if hold is None:
        yield None
        return
    mine = HeldLane(hold, store, clock, asked_at, safety)
    keeper = asyncio.create_task(mine.keep(), name=f"lease of {lane}")
    try:
        yield mine
    finally:
        mine.lose()
        keeper.cancel()
        try:
            # Not ``await keeper``: its end and an end asked of us look alike there, and ours would be swallowed.
            await asyncio.wait([keeper])
        finally:
            await store.release_lane(hold)
