"""Compare everything: the source's listing against what was agreed, and the destination's against what we wrote.

A full pass costs one read per page and writes nothing where nothing differs: it compares digests. What differs is
marked and goes the way of every other notice. A sweep is the same, slowly, out of the sweeps' share of the call budget.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

import msgspec
import structlog

from storeweave.engine.brakes import DELETE
from storeweave.engine.world import World
from storeweave.journal.journal import Journal
from storeweave.ledger.agreed import agreed
from storeweave.ledger.merge import merge
from storeweave.model.flow import Deletes, FlowSpec, Policy
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Cause, Event, FlowKey, Notice, Priority, Record
from storeweave.model.state import Base, BaseUpdate, Settlement
from storeweave.ports.connector import Connector, Page
from storeweave.ports.permit import Permit

log = structlog.get_logger(__name__)

APART = timedelta(minutes=10)
"""Two listings must lack a key at least this long apart before its absence means anything."""


class Listing(msgspec.Struct, kw_only=True):
    """What one pass over one listing found."""

    kind: Kind
    records: int = 0
    pages: int = 0
    agree: int = 0
    marked: int = 0
    absent: int = 0  # linked keys that the listing lacks
    deletes: int = 0  # of those, believed absent and marked
    extra: int = 0  # destination only: records that no link explains
    complete: bool = False
    note: str = ""

    def counts(self, prefix: str) -> dict[str, int]:
        """For the run's row."""
        numbers = ("records", "pages", "agree", "marked", "absent", "deletes", "extra")
        return {f"{prefix}{self.kind}.{name}": getattr(self, name) for name in numbers if getattr(self, name)}


Progress = Callable[[Listing], Awaitable[None]]


async def _quiet(_: Listing) -> None:
    return None


class Sweep:
    """Passes over one flow."""

    def __init__(self, world: World, flow: FlowSpec, journal: Journal, *, priority: Priority = Priority.SWEEP) -> None:
        self._world = world
        self._store = world.store
        self._flow = flow
        self._journal = journal
        self._permit = Permit(priority=priority)

    async def source(
        self, kind: Kind, run: int, *, progress: Progress = _quiet, cursor: str | None = None, everything: bool = False
    ) -> Listing:
        """Compare the source's listing with the bases; mark what differs, and what is gone for good.

        ``everything``: mark all, also what looks unchanged (changed rules, a first dry run). ``cursor``: go on where
        an interrupted run stopped; then nothing can be said about deletes.
        """
        found = Listing(kind=kind)
        connector = self._world.connectors[self._flow.source]
        total: int | None = None
        whole = cursor is None
        async for page in _pages(connector, kind, cursor, self._permit):
            total = page.total if page.total is not None else total
            await self._compare_page(page, found, run, everything)
            await self._store.save_run(run, cursor=f"{kind}:{page.cursor or ''}")
            await progress(found)
        found.complete = whole and (total is None or found.records >= total)
        await self._absences(found, run)
        await self._forgotten_creates(kind, run)
        await self._store.save_run(run, counts=found.counts(""))
        return found

    async def _compare_page(self, page: Page, found: Listing, run: int, everything: bool) -> None:
        found.pages += 1
        found.records += len(page.records)
        keys = [r.key for r in page.records]
        known = await self._store.digests(self._flow.name, found.kind, keys)
        changed = [r for r in page.records if everything or not r.digest or known.get(r.key) != r.digest]
        found.agree += len(keys) - len(changed)
        found.marked += len(changed)
        await self._store.seen(self._flow.name, found.kind, keys, run)
        await self._mark(found.kind, [r.key for r in changed], run, Cause.SWEEP)

    async def _absences(self, found: Listing, run: int) -> None:
        """Believe in a delete only after two complete listings, and never after one that shrank suspiciously."""
        name = f"listing:{self._flow.name}:{found.kind}"
        last = await self._store.get_value(name)
        safety = self._world.safety
        if not found.complete and safety.whole_listings:
            found.note = "the listing was not complete: nothing can be said about deletes"
            return
        if last and self._shrunk(found.records, int(last)):
            found.note = (
                f"the listing has {found.records} records, the last complete one had {last}: no deletes believed"
            )
            log.warning("sweep.shrunk", flow=self._flow.name, kind=found.kind, records=found.records, before=last)
            await self._store.open_brake(self._flow.name, f"shrunk-{found.kind}", found.note, self._world.clock.now())
            return
        await self._store.put_value(name, str(found.records))
        if self._flow.deletes is Deletes.IGNORE:
            return
        now = self._world.clock.now()
        believed: list[Key] = []
        after: Key | None = None
        while absent := await self._store.unseen(self._flow.name, found.kind, run, after=after):
            after = absent[-1]
            found.absent += len(absent)
            since = await self._store.missing_once(self._flow.name, found.kind, absent, now)
            believed += [k for k in absent if now - since.get(k, now) >= APART or not safety.two_listings]
        if believed:
            found.deletes = len(believed)
            # All are counted before the first is worked on, so that the brake sees the whole list.
            keys = [FlowKey(self._flow.name, found.kind, k) for k in believed]
            await self._store.note_ops(self._flow.name, f"{DELETE}-{found.kind}", keys, now)
            await self._mark(found.kind, believed, run, Cause.SWEEP, Event.DELETED)

    def _shrunk(self, records: int, before: int) -> bool:
        """Too little to be true. A shop of a few records may lose half of them in a day; none loses all."""
        limits = self._flow.brakes
        if records == 0:
            return before > 0
        return before - records > limits.deletes and records < before * limits.shrink

    async def _forgotten_creates(self, kind: Kind, run: int) -> None:
        """Creates whose outcome nobody ever learned: looked at again, whether their source still exists or not."""
        abilities = self._world.connectors[self._flow.destination].abilities
        old = timedelta(seconds=abilities.request_timeout_s + abilities.late_landing_s)
        keys = await self._store.open_intents_since(self._flow.name, kind, self._world.clock.now() - old)
        await self._mark(kind, keys, run, Cause.SWEEP)

    async def destination(self, kind: Kind, run: int, *, progress: Progress = _quiet) -> Listing:
        """Compare the destination's listing with what we wrote; mark drift, count what is only there."""
        found = Listing(kind=kind)
        connector = self._world.connectors[self._flow.destination]
        total: int | None = None
        async for page in _pages(connector, kind, None, self._permit):
            total = page.total if page.total is not None else total
            found.pages += 1
            found.records += len(page.records)
            await self._check_page(page, found, run)
            await progress(found)
        found.complete = total is None or found.records >= total
        if found.complete:
            after: Key | None = None
            while absent := await self._store.unseen(self._flow.name, kind, run, after=after, there=True):
                after = absent[-1]
                found.absent += len(absent)
                await self._mark(kind, absent, run, Cause.DRIFT, verify=True)
        await self._store.save_run(run, counts=found.counts("there."))
        return found

    async def _check_page(self, page: Page, found: Listing, run: int) -> None:
        flow, kind = self._flow, found.kind
        known = await self._store.destination_digests(flow.name, kind, [r.key for r in page.records])
        owners = {r.key: known[r.key][0] for r in page.records if r.key in known}
        found.extra += len(page.records) - len(owners)
        doubtful = [r for r in page.records if r.key in owners and (not r.digest or known[r.key][1] != r.digest)]
        found.agree += len(owners) - len(doubtful)
        await self._store.seen(flow.name, kind, list(owners.values()), run, there=True)
        bases = await self._store.bases(flow.name, kind, [owners[r.key] for r in doubtful])
        drifted, learned = [], []
        for record in doubtful:
            link, base = bases.get(owners[record.key], (None, None))
            if link is None or base is None:
                continue
            if _agrees(base, record):
                learned.append(BaseUpdate(key=link.key, base=_learn(base, record), link=None))
            else:
                drifted.append(link.key.key)
        found.agree += len(learned)
        found.marked += len(drifted)
        if learned:
            await self._store.put_bases(Settlement(bases=learned))
        await self._mark(kind, drifted, run, Cause.DRIFT, verify=True)

    async def _mark(
        self,
        kind: Kind,
        keys: Sequence[Key],
        run: int,
        cause: Cause,
        event: Event = Event.CHANGED,
        *,
        verify: bool = False,
    ) -> None:
        priority = Priority.DELETE if event is Event.DELETED else Priority.SWEEP
        notices = [
            Notice(
                connection=self._flow.source,
                kind=kind,
                key=key,
                cause=cause,
                event=event,
                priority=priority,
                verify=verify,
                run=run,
            )
            for key in keys
        ]
        await self._journal.accept_for(self._flow, notices)


async def _pages(connector: Connector, kind: Kind, cursor: str | None, permit: Permit) -> AsyncIterator[Page]:
    """All pages from ``cursor`` on; the next one is asked for while this one is worked on."""
    task = asyncio.ensure_future(connector.scan(kind, cursor, permit))
    try:
        while True:
            page = await task
            if page.cursor is None:
                yield page
                return
            task = asyncio.ensure_future(connector.scan(kind, page.cursor, permit))
            yield page
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])


def _agrees(base: Base, shown: Record) -> bool:
    return merge(base.wanted, base, shown, policy=lambda _: Policy.SOURCE).agrees


def _learn(base: Base, shown: Record) -> Base:
    """The base, with the digest of what the destination shows now, so that the next pass need not look closer."""
    same = merge(base.wanted, base, shown, policy=lambda _: Policy.SOURCE)
    learned = agreed(
        base.wanted,
        destination_key=base.wanted.key,
        merge=same,
        before=base,
        links=base.links,
        part_keys={},
        shown=shown,
        source_digest=base.source_digest,
        written_at=None,
    )
    return msgspec.structs.replace(learned, lossy=base.lossy, held=base.held)
