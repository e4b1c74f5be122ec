"""Work that comes round by the clock, done by one process of many: whose turn it is, and when the next one is.

A lane's lease named ``~task`` keeps two from doing it at once; a small value named ``turn:task`` keeps all together
from doing it more often than once per period. A process that starts does each task once whatever the others did,
because its configuration may be newer than theirs. What failed is tried again soon.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from storeweave.engine.held import held
from storeweave.model.errors import StoreweaveError
from storeweave.model.kinds import LaneName
from storeweave.ports.clock import Clock
from storeweave.ports.store import Store

log = structlog.get_logger(__name__)

Task = Callable[[], Awaitable[object]]

_TRY_AGAIN_S = 30.0


class Turns:
    """One process' share of the periodic work."""

    def __init__(self, store: Store, clock: Clock, *, holder: str, lease_s: float, exclusive: bool = False) -> None:
        self._store = store
        self._clock = clock
        self._holder = holder
        self._lease_s = lease_s
        self._exclusive = exclusive
        self._started_at = clock.now()

    async def every(self, name: str, period_s: float, task: Task) -> None:
        """Do it once per ``period_s`` over all processes, for ever."""
        while True:
            wait_s = min(period_s, self._lease_s)
            try:
                wait_s = await self._turn(name, period_s, task)
            except StoreweaveError as error:  # our own database: see again in a moment
                log.warning("task.failed", task=name, reason=str(error))
            await self._clock.sleep(wait_s)

    async def each(self, name: str, period_s: float, task: Task) -> None:
        """Do it once per ``period_s`` in this very process, for ever: for what every process must know by itself."""
        while True:
            done = await _done(name, task)
            await self._clock.sleep(period_s if done else min(period_s, _TRY_AGAIN_S))

    async def _turn(self, name: str, period_s: float, task: Task) -> float:
        """Do it if it is time and nobody else is at it; seconds until the next look."""
        wait_s = await self._wait_s(name, period_s)
        if wait_s > 0:
            return wait_s
        async with held(
            LaneName(f"~{name}"),
            store=self._store,
            clock=self._clock,
            holder=self._holder,
            lease_s=self._lease_s,
            exclusive=self._exclusive,
        ) as mine:
            if mine is None:
                return min(period_s, self._lease_s)
            # Somebody may have done it between the look and the lease.
            wait_s = await self._wait_s(name, period_s)
            if wait_s > 0:
                return wait_s
            began_at = self._clock.now()
            again_s = period_s if await _done(name, task) else min(period_s, _TRY_AGAIN_S)
            due_at = began_at + timedelta(seconds=again_s)
            await self._store.put_value(f"turn:{name}", f"{began_at.isoformat()} {due_at.isoformat()}")
        return await self._wait_s(name, period_s)

    async def _wait_s(self, name: str, period_s: float) -> float:
        """Seconds until it is due. A time that lies too far ahead comes from a wrong clock and says nothing."""
        stored = await self._store.get_value(f"turn:{name}")
        if stored is None:
            return 0.0
        began_at, due_at = (datetime.fromisoformat(text) for text in stored.split(" "))
        now = self._clock.now()
        if began_at < self._started_at or due_at > now + timedelta(seconds=2 * period_s):
            return 0.0
        return max(0.0, (due_at - now).total_seconds())


async def _done(name: str, task: Task) -> bool:
    """Do it; False when it failed, which has been told then."""
    try:
        await task()
    except StoreweaveError as error:
        log.warning("task.failed", task=name, reason=str(error))
    except Exception:
        log.exception("task.crashed", task=name)
    else:
        return True
    return False
