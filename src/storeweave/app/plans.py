"""What a flow would do now: both sides are read, nothing is written, nothing is remembered.

The same steps as a lane takes, up to the plan; then deletes and brakes by their own rules. Long listings are told of
by progress; the list of changes is cut off at a number, the counts are whole.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from storeweave.app.hub_port import Progress, no_progress
from storeweave.app.showing import line_shown
from storeweave.app.shown import PlannedChange, PlannedOp, PlanShown
from storeweave.engine.batch import Batch
from storeweave.engine.brakes import guards_of
from storeweave.engine.item import Item
from storeweave.engine.world import World
from storeweave.model.flow import Deletes, FlowSpec
from storeweave.model.kinds import Key, Kind, LaneName
from storeweave.model.records import Cause, FlowKey, Priority, Record
from storeweave.model.state import Mark, MarkState
from storeweave.ports.permit import Permit

AT_ONCE = 250
_WORDS = {
    "price-move": "prices would move sharply",
    "zero-price": "prices would become 0",
    "zero-stock": "stock would become 0",
}


class Planner:
    """One plan of one flow."""

    def __init__(
        self, world: World, flow: FlowSpec, *, most: int, everything: bool, progress: Progress = no_progress
    ) -> None:
        self._world = world
        self._flow = flow
        self._most = most
        self._everything = everything
        self._progress = progress
        self._counts: Counter[str] = Counter()
        self._guards: Counter[str] = Counter()
        self._changes: list[PlannedChange] = []
        self._brakes: list[str] = []
        self._digest = hashlib.blake2b(digest_size=8)
        self._permit = Permit(priority=Priority.SWEEP)

    async def run(self) -> PlanShown:
        """Look at everything."""
        for kind in self._flow.kinds:
            seen = await self._kind(kind)
            await self._absent(kind, seen)
        await self._values()
        return PlanShown(
            flow=self._flow.name,
            counts=dict(self._counts),
            changes=self._changes,
            cut_off=sum(n for name, n in self._counts.items() if not name.endswith(".equal")) > len(self._changes),
            brakes=self._brakes,
            digest=self._digest.hexdigest(),
        )

    async def _kind(self, kind: Kind) -> set[Key]:
        source = self._world.connectors[self._flow.source]
        seen: set[Key] = set()
        cursor: str | None = None
        while True:
            page = await source.scan(kind, cursor, self._permit)
            seen.update(record.key for record in page.records)
            await self._page(kind, page.records)
            self._progress(f"{self._flow.name}: {kind}", len(seen), page.total)
            cursor = page.cursor
            if cursor is None:
                return seen

    async def _page(self, kind: Kind, records: Sequence[Record]) -> None:
        known = await self._world.store.digests(self._flow.name, kind, [r.key for r in records])
        doubtful = [r.key for r in records if self._everything or not r.digest or known.get(r.key) != r.digest]
        self._counts[f"{kind}.equal"] += len(records) - len(doubtful)
        for start in range(0, len(doubtful), AT_ONCE):
            await self._look(kind, doubtful[start : start + AT_ONCE])

    async def _look(self, kind: Kind, keys: Sequence[Key]) -> None:
        now = self._world.clock.now()
        marks = [_mark(FlowKey(self._flow.name, kind, key), self._flow.lane, now) for key in keys]
        batch = Batch(self._world, self._flow, kind, marks, lambda priority: Permit(priority=priority))
        items = await batch.plan()
        for item in items:
            self._guards.update(guards_of(item.merge.lines, self._flow.brakes) if item.base is not None else ())
            self._add(_planned(item))
        others = 0
        for failed in batch.results.failed:
            op: PlannedOp = "park" if failed.state is MarkState.PARKED else "wait"
            others += 1
            self._add(
                PlannedChange(
                    flow=self._flow.name, kind=kind, key=failed.key.key, title="", op=op, reason=failed.reason or ""
                )
            )
        self._counts[f"{kind}.equal"] += len(keys) - len(items) - others

    async def _absent(self, kind: Kind, seen: set[Key]) -> None:
        """Linked records that the source does not list: gone, when a second listing and a direct read agree."""
        flow, store = self._flow, self._world.store
        if flow.deletes is Deletes.IGNORE:
            return
        op: PlannedOp = "hide" if flow.deletes is Deletes.HIDE else "delete"
        after: Key | None = None
        absent = linked = 0
        while rows := await store.link_rows(flow.name, kind, after=after, limit=1000):
            after = rows[-1].key.key
            linked += len(rows)
            for link in rows:
                if link.key.key not in seen:
                    absent += 1
                    reason = "the source does not list it; believed after two listings and a direct read"
                    self._add(
                        PlannedChange(
                            flow=flow.name, kind=kind, key=link.key.key, title=link.title, op=op, reason=reason
                        )
                    )
        allowed = max(flow.brakes.deletes, int(linked * flow.brakes.deletes_share))
        if absent > allowed:
            self._brakes.append(
                f"delete: {absent} {kind} records would be deleted or hidden; more than {allowed} are held"
            )

    async def _values(self) -> None:
        linked = sum([await self._world.store.linked_count(self._flow.name, kind) for kind in self._flow.kinds])
        allowed = max(self._flow.brakes.values, int(linked * self._flow.brakes.values_share))
        for guard, count in self._guards.items():
            if count > allowed:
                self._brakes.append(f"{guard}: {count} {_WORDS.get(guard, guard)}; more than {allowed} are held")

    def _add(self, change: PlannedChange) -> None:
        self._counts[f"{change.kind}.{change.op}"] += 1
        self._digest.update(change.model_dump_json().encode())
        if len(self._changes) < self._most:
            self._changes.append(change)


def _planned(item: Item) -> PlannedChange:
    op: PlannedOp = "create" if item.there is None else "link" if item.base is None else "update"
    missing = ", ".join(f"{kind} {key}" for kind, key in item.wanted.missing[:3])
    return PlannedChange(
        flow=item.key.flow,
        kind=item.key.kind,
        key=item.key.key,
        title=item.source.title,
        op=op,
        lines=[line_shown(line) for line in item.merge.lines],
        reason=f"after {missing}" if missing else "",
    )


def _mark(key: FlowKey, lane: LaneName, now: datetime) -> Mark:
    """A mark of no table, so that a key goes the way of a marked one."""
    return Mark(
        key=key,
        lane=lane,
        want=0,
        state=MarkState.DIRTY,
        due_at=now,
        first_at=now,
        noticed_at=now,
        happened_at=None,
        attempts=0,
        priority=Priority.SWEEP,
        cause=Cause.MANUAL,
        deleted=False,
        verify=True,
    )
