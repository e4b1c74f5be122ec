"""Ask a source what changed since the last time: for systems without webhooks, and for what no webhook tells.

The cursor is the start of the last complete scan, looked back from by more than the feed's own lag (semantics 3.5).
What was seen is compared with what was agreed, so looking back costs no extra work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from storeweave.journal.journal import Journal
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, Kind
from storeweave.model.records import Cause, Notice, Priority
from storeweave.ports.clock import Clock
from storeweave.ports.connector import Connector, Page
from storeweave.ports.permit import Permit
from storeweave.ports.store import Store


class Poll:
    """Polls one connection for all flows that read from it."""

    def __init__(
        self,
        name: ConnectionName,
        connector: Connector,
        flows: Sequence[FlowSpec],
        *,
        store: Store,
        journal: Journal,
        clock: Clock,
        overlap: bool = True,
    ) -> None:
        """``overlap`` False is for the test that shows why it must be True."""
        self._name = name
        self._connector = connector
        self._flows = [f for f in flows if f.source == name]
        self._store = store
        self._journal = journal
        self._clock = clock
        self._overlap_s = connector.abilities.feed_lag_s if overlap else 0.0

    def kinds(self) -> list[Kind]:
        """Kinds with a feed that some flow is about."""
        abilities: Mapping[Kind, object] = self._connector.abilities.kinds
        return [
            k
            for k in Kind
            if k in abilities and self._connector.abilities.kinds[k].has_feed and any(k in f.kinds for f in self._flows)
        ]

    async def once(self, *, first_since: datetime | None = None) -> int:
        """One poll of every kind; the number of keys marked. ``first_since``: where a first poll starts (now)."""
        return sum([await self._poll(kind, first_since) for kind in self.kinds()])

    async def _poll(self, kind: Kind, first_since: datetime | None) -> int:
        started_at = self._clock.now()
        name = f"feed:{self._name}:{kind}"
        stored = await self._store.get_value(name)
        since = datetime.fromisoformat(stored) if stored else first_since or started_at
        cursor: str | None = None
        marked = 0
        while True:
            page = await self._connector.changed(
                kind, since - timedelta(seconds=self._overlap_s), cursor, Permit(priority=Priority.NORMAL)
            )
            marked += await self._mark(kind, page)
            cursor = page.cursor
            if cursor is None:
                break
        await self._store.put_value(name, started_at.isoformat())
        return marked

    async def _mark(self, kind: Kind, page: Page) -> int:
        marked = 0
        for flow in self._flows:
            if kind not in flow.kinds or not page.records:
                continue
            known = await self._store.digests(flow.name, kind, [r.key for r in page.records])
            notices = [
                Notice(connection=self._name, kind=kind, key=r.key, cause=Cause.POLL, happened_at=r.modified_at)
                for r in page.records
                if not r.digest or known.get(r.key) != r.digest
            ]
            marked += await self._journal.accept_for(flow, notices)
        return marked
