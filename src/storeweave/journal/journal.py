"""Turn notices into marks, durably, and ring the lanes.

What a notice says is not believed here; it only makes keys dirty. Verification of where it came from is intake's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import LaneName
from storeweave.model.records import Cause, FlowKey, Notice
from storeweave.model.state import Acceptance, MarkRequest
from storeweave.ports.clock import Clock
from storeweave.ports.store import JournalStore

_AT_ONCE = frozenset({Cause.MANUAL, Cause.RETRY, Cause.REFERENCE, Cause.SWEEP, Cause.DRIFT})


class Journal:
    """The one way in: durable when ``accept`` returns."""

    def __init__(
        self, store: JournalStore, flows: Sequence[FlowSpec], clock: Clock, ring: Callable[[LaneName, float], None]
    ) -> None:
        """``ring(lane, wait_s)`` is called after the commit; losing a ring costs time, never a change."""
        self._store = store
        self._flows = tuple(flows)
        self._clock = clock
        self._ring = ring

    async def accept(self, notices: Sequence[Notice], *, wait_s: float | None = None) -> int:
        """Keep the notices, mark the keys of every flow that reads from there; the number that were new.

        ``wait_s`` None: due after the flow's debounce time, so that a burst for one key becomes one run.
        """
        if not notices:
            return 0
        now = self._clock.now()
        items, rings = [], dict[LaneName, float]()
        for notice in notices:
            marks = []
            for flow in self._flows:
                if notice.connection != flow.source or notice.kind not in flow.kinds:
                    continue
                wait = wait_s if wait_s is not None else 0.0 if notice.cause in _AT_ONCE else flow.debounce_s
                key = FlowKey(flow.name, notice.kind, notice.key)
                marks.append(MarkRequest(key=key, lane=flow.lane, due_at=now + timedelta(seconds=wait)))
                rings[flow.lane] = min(wait, rings.get(flow.lane, wait))
            items.append(Acceptance(notice=notice, received_at=now, marks=marks))
        numbers = await self._store.accept(items)
        for lane, wait in rings.items():
            self._ring(lane, wait)
        return sum(1 for n in numbers if n is not None)

    async def accept_for(self, flow: FlowSpec, notices: Sequence[Notice], *, wait_s: float = 0.0) -> int:
        """The same for one flow only: sweeps, retries and requests of a person concern one flow."""
        now = self._clock.now()
        due_at = now + timedelta(seconds=wait_s)
        items = [
            Acceptance(
                notice=n,
                received_at=now,
                marks=[MarkRequest(key=FlowKey(flow.name, n.kind, n.key), lane=flow.lane, due_at=due_at)],
            )
            for n in notices
        ]
        if items:
            await self._store.accept(items)
            self._ring(flow.lane, wait_s)
        return len(items)
