"""The running program: stores, lanes, polls, sweeps and hooks of one process, wired together.

Everything that a person can ask for (command line, API, dashboard) is a method here or a view in ``app.views``. What
is due lives in the store; a hub that dies loses nothing but time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random

import structlog

from storeweave.app.config_flows import flow_digest
from storeweave.app.passes import broken_off, rest_of
from storeweave.app.turns import Turns
from storeweave.engine.batch import Batch
from storeweave.engine.breaker import PROBE_S
from storeweave.engine.held import held
from storeweave.engine.item import Item
from storeweave.engine.lane import Lane
from storeweave.engine.lanes import LONGEST_SLEEP_S, Lanes
from storeweave.engine.safety import ALL_RULES, SafetyRules
from storeweave.engine.sweep import Listing, Sweep
from storeweave.engine.undo import Undone, undo
from storeweave.engine.world import World
from storeweave.intake.polls import Poll
from storeweave.journal.journal import Journal
from storeweave.model.errors import ConfigError, RefusedError, StoreweaveError
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind, LaneName
from storeweave.model.records import Cause, FlowKey, Notice, Priority
from storeweave.model.state import ConnectionRow, HistoryRow, Mark, MarkState, RunRow
from storeweave.ports.clock import Clock
from storeweave.ports.connector import Account, Connector, HookedConnector, HookReport
from storeweave.ports.permit import Permit
from storeweave.ports.store import Store

log = structlog.get_logger(__name__)

Progress = Callable[[str, Listing], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """How this process behaves; the flows say what it is about."""

    holder: str = "hub"
    lease_s: float = 6.0
    exclusive: bool = False
    probe_s: float = PROBE_S
    longest_sleep_s: float = LONGEST_SLEEP_S
    poll_period_s: float = 60.0
    list_period_s: float = 900.0  # for kinds that have neither a feed nor webhooks
    apply_period_s: float = 3600.0  # the first time at once; later only for rules whose first pass failed
    sweep_period_s: float = 24 * 3600.0
    hook_check_period_s: float = 15 * 60.0
    account_check_period_s: float = 5 * 60.0
    purge_period_s: float = 3600.0
    journal_retention: timedelta = timedelta(days=14)
    history_retention: timedelta = timedelta(days=400)
    tombstone_retention: timedelta = timedelta(days=90)
    hook_urls: Mapping[ConnectionName, str] = field(default_factory=dict)


async def _no_progress(_: str, __: Listing) -> None:
    return None


class Hub:
    """One process of Storeweave."""

    def __init__(
        self,
        *,
        store: Store,
        connectors: Mapping[ConnectionName, Connector],
        hooked: Mapping[ConnectionName, HookedConnector] | None = None,
        flows: Sequence[FlowSpec],
        clock: Clock,
        rng: Random,
        options: HubOptions | None = None,
        safety: SafetyRules = ALL_RULES,
        ring_others: Callable[[LaneName, float], None] | None = None,
    ) -> None:
        """``ring_others`` wakes lanes that live in other processes (many machines); rings are hints."""
        self.store = store
        self.flows = {f.name: f for f in flows}
        self.connectors = connectors
        self.hooked = hooked or {}
        self.options = options or HubOptions()
        self.clock = clock
        self.currencies: dict[ConnectionName, str | None] = {}
        self.world = World(
            store=store, connectors=connectors, clock=clock, rng=rng, safety=safety, currencies=self.currencies
        )
        by_lane: dict[LaneName, list[FlowSpec]] = {}
        for flow in flows:
            by_lane.setdefault(flow.lane, []).append(flow)
        self.lanes = Lanes(
            {
                name: Lane(
                    name,
                    some,
                    self.world,
                    holder=self.options.holder,
                    lease_s=self.options.lease_s,
                    exclusive=self.options.exclusive,
                    probe_s=self.options.probe_s,
                )
                for name, some in by_lane.items()
            },
            clock,
            longest_sleep_s=self.options.longest_sleep_s,
        )
        self._ring_others = ring_others
        self.journal = Journal(store, tuple(flows), clock, self._ring)
        self.polls = {
            name: Poll(
                name,
                connector,
                tuple(flows),
                store=store,
                journal=self.journal,
                clock=clock,
                overlap=safety.feed_overlap,
            )
            for name, connector in connectors.items()
            if any(f.source == name for f in flows)
        }

    def _ring(self, lane: LaneName, wait_s: float) -> None:
        self.lanes.ring(lane, wait_s)
        if self._ring_others is not None:
            self._ring_others(lane, wait_s)

    def flow(self, name: str) -> FlowSpec:
        """The flow of that name. Raises ConfigError naming those that exist."""
        try:
            return self.flows[FlowName(name)]
        except KeyError:
            known = ", ".join(self.flows) or "none"
            raise ConfigError(f"there is no flow {name!r}; configured are: {known}") from None

    # --- accounts: the environment fence ----------------------------------------------------------------------------

    async def check_accounts(self) -> dict[ConnectionName, Account | StoreweaveError]:
        """Try every connection's credentials; pin the account at first contact, refuse to write to another one."""
        found: dict[ConnectionName, Account | StoreweaveError] = {}
        for name, connector in self.connectors.items():
            try:
                account = await connector.check(Permit())
            except StoreweaveError as error:
                found[name] = error
                continue
            found[name] = account
            self.currencies[name] = account.currency
            await self._pin(name, account)
        return found

    async def _pin(self, name: ConnectionName, account: Account) -> None:
        known = await self.store.connection(name)
        now = self.clock.now()
        if known is not None and known.fingerprint and known.fingerprint != account.fingerprint:
            reason = (
                f"another account ({account.name}) stands behind the settings of {name} than the one it was paired "
                f"with ({known.account}): nothing is written; run `storeweave pair {name}` if that is what you want"
            )
            if known.state != "read-only":
                log.error("connection.other-account", connection=name, account=account.name, paired=known.account)
                await self.store.put_connection(_row(known, state="read-only", reason=reason, now=now))
            await self.store.pause_lane(LaneName(name), now + timedelta(days=3650), reason)
            return
        state = known.state if known is not None else "active"
        if state in ("blocked", "read-only"):
            log.info("connection.active", connection=name)
            await self.store.pause_lane(LaneName(name), None, "")
            state = "active"
        if known is None or (known.fingerprint, known.state) != (account.fingerprint, state):
            await self.store.put_connection(
                ConnectionRow(
                    name=name,
                    fingerprint=account.fingerprint,
                    account=account.name,
                    state=state,
                    reason="" if state == "active" else (known.reason if known else ""),
                    changed_at=now,
                )
            )

    async def pair(self, name: ConnectionName) -> Account:
        """Accept the account that is there now. Everything that was agreed with the other one is still remembered."""
        account = await self._connector(name).check(Permit())
        known = await self.store.connection(name)
        row = ConnectionRow(
            name=name,
            fingerprint=account.fingerprint,
            account=account.name,
            state="active",
            reason="",
            changed_at=self.clock.now(),
        )
        await self.store.put_connection(row)
        if known is not None and known.state == "read-only":
            await self.store.pause_lane(LaneName(name), None, "")
        return account

    def _connector(self, name: ConnectionName) -> Connector:
        try:
            return self.connectors[name]
        except KeyError:
            known = ", ".join(self.connectors)
            raise ConfigError(f"there is no connection {name!r}; configured are: {known}") from None

    async def pause(self, name: ConnectionName, reason: str = "paused by hand") -> None:
        """No writes to that connection until ``resume``. Notices go on being kept."""
        self._connector(name)
        known = await self.store.connection(name)
        await self.store.put_connection(_row(known, name=name, state="paused", reason=reason, now=self.clock.now()))
        await self.store.pause_lane(LaneName(name), self.clock.now() + timedelta(days=3650), reason)

    async def resume(self, name: ConnectionName) -> None:
        """Go on writing."""
        self._connector(name)
        known = await self.store.connection(name)
        if known is not None and known.state == "read-only":
            raise RefusedError(f"{known.reason}", code="other-account")
        await self.store.put_connection(_row(known, name=name, state="active", reason="", now=self.clock.now()))
        await self.store.pause_lane(LaneName(name), None, "")
        self._ring(LaneName(name), 0.0)

    # --- work on request --------------------------------------------------------------------------------------------

    async def full(
        self,
        flow: FlowSpec,
        *,
        kinds: Sequence[Kind] | None = None,
        destination_too: bool = False,
        everything: bool = False,
        what: str = "full",
        note: str = "",
        unfinished: RunRow | None = None,
        priority: Priority = Priority.NORMAL,
        progress: Progress = _no_progress,
    ) -> int:
        """Compare whole listings and mark what differs; the run's number. The lanes do the rest.

        ``unfinished``: a run like this one that did not come to its end; it is gone on with where it stopped.
        """
        if unfinished is None:
            run = await self.store.start_run(flow.name, what, self.clock.now(), note)
        else:
            run = unfinished.id
            await self.store.save_run(run, state="running")
        sweep = Sweep(self.world, flow, self.journal, priority=priority)
        left, cursor = rest_of(unfinished, kinds or flow.kinds)
        state = "failed"
        try:
            for kind in left:
                told = partial(progress, "source")
                await sweep.source(kind, run, progress=told, cursor=cursor, everything=everything)
                cursor = None
                if destination_too:
                    await sweep.destination(kind, run, progress=lambda found: progress("destination", found))
            state = "done"
        finally:
            await self.store.save_run(run, state=state, ended_at=self.clock.now())
        return run

    async def verify(
        self, flow: FlowSpec, *, progress: Progress = _no_progress, priority: Priority = Priority.NORMAL
    ) -> tuple[int, list[Listing], list[Listing]]:
        """An agreement report: both listings compared, without waiting for repairs; (run, source, destination)."""
        run = await self.store.start_run(flow.name, "verify", self.clock.now())
        sweep = Sweep(self.world, flow, self.journal, priority=priority)
        here, there = [], []
        for kind in flow.kinds:
            here.append(await sweep.source(kind, run, progress=lambda found: progress("source", found)))
            there.append(await sweep.destination(kind, run, progress=lambda found: progress("destination", found)))
        await self.store.save_run(run, state="done", ended_at=self.clock.now())
        return run, here, there

    async def sync_items(self, flow: FlowSpec, texts: Sequence[str]) -> list[FlowKey]:
        """Mark items named by key, SKU or name, to be looked at on both sides now; RefusedError for unknown ones."""
        keys: list[FlowKey] = []
        unknown = []
        for text in texts:
            found = await self.find(flow, text)
            keys += found
            if not found:
                unknown.append(text)
        if unknown:
            raise RefusedError(f"nothing is known under {', '.join(map(repr, unknown))}", code="unknown")
        notices = [
            Notice(connection=flow.source, kind=k.kind, key=k.key, cause=Cause.MANUAL, verify=True) for k in keys
        ]
        await self.journal.accept_for(flow, notices)
        return keys

    async def find(self, flow: FlowSpec, text: str) -> list[FlowKey]:
        """Keys by source key, destination key, SKU or name: first in the crosswalk, then at the source itself."""
        links = [link for link in await self.store.find_keys(flow.name, text) if link.key.flow == flow.name]
        if links:
            return [link.key for link in links]
        source = self.connectors[flow.source]
        keys: list[FlowKey] = []
        for kind in flow.kinds:
            matches = [f"{rule}:{text}" for rule in ("sku", "variant-sku", "name", "path")]
            found = await source.find(kind, matches, Permit())
            keys += [FlowKey(flow.name, kind, r.key) for records in found.values() for r in records]
        return list(dict.fromkeys(keys))

    async def preview(self, flow: FlowSpec, kind: Kind, keys: Sequence[Key]) -> list[Item]:
        """What would be written for these keys now. Reads both sides, writes nothing, remembers nothing."""
        now = self.clock.now()
        marks = [_mark_for(FlowKey(flow.name, kind, key), flow.lane, now) for key in keys]
        batch = Batch(self.world, flow, kind, marks, lambda priority: Permit(priority=priority))
        return await batch.plan()

    async def undo(self, flow: FlowSpec, rows: Sequence[HistoryRow], note: str = "") -> tuple[int, list[Undone]]:
        """Take back what ``rows`` (newest first) changed; (run, what became of each key)."""
        run = await self.store.start_run(flow.name, "undo", self.clock.now(), note)
        undone: list[Undone] | None = None
        while undone is None:
            async with held(
                flow.lane,
                store=self.store,
                clock=self.clock,
                holder=f"{self.options.holder}:undo",
                lease_s=self.options.lease_s,
                safety=self.world.safety,
            ) as mine:
                if mine is not None:
                    undone = await undo(self.world, flow, rows, mine, run=run)
            if undone is None:
                await self.clock.sleep(0.2)
        await self.store.save_run(run, state="done", ended_at=self.clock.now(), counts={"undone": len(undone)})
        self._ring(flow.lane, 0.0)
        return run, undone

    async def ensure_hooks(self) -> dict[ConnectionName, HookReport | StoreweaveError]:
        """Make the subscriptions of every source what they should be."""
        found: dict[ConnectionName, HookReport | StoreweaveError] = {}
        for name, connector in self.hooked.items():
            url = self.options.hook_urls.get(name)
            if url is None or not any(f.source == name for f in self.flows.values()):
                continue
            try:
                found[name] = await connector.ensure_hooks(url, Permit())
            except StoreweaveError as error:
                log.warning("hooks.failed", connection=name, reason=str(error))
                found[name] = error
        return found

    async def purge(self) -> Mapping[str, int]:
        """Remove what retention no longer keeps."""
        now, options = self.clock.now(), self.options
        return await self.store.purge(
            journal_before=now - options.journal_retention,
            history_before=now - options.history_retention,
            tombstones_before=now - options.tombstone_retention,
        )

    async def idle(self, *, poll_s: float = 0.02, held_too: bool = False) -> None:
        """Wait until no mark is dirty (parked and held ones wait for people, second looks are waited for)."""
        while True:
            backlog = await self.store.backlog(self.clock.now())
            if not sum(b.dirty + b.backing_off + (b.held if held_too else 0) for b in backlog):
                return
            await self.clock.sleep(poll_s)

    # --- life -------------------------------------------------------------------------------------------------------

    async def run(self, *, work: bool = True, ticking: bool = True) -> None:
        """Until cancelled: the lanes, and everything that happens by the clock."""
        async with asyncio.TaskGroup() as group:
            if work:
                group.create_task(self.lanes.run(), name="lanes")
            if ticking:
                options = self.options
                turns = Turns(
                    self.store,
                    self.clock,
                    holder=options.holder,
                    lease_s=options.lease_s,
                    exclusive=options.exclusive,
                )
                # Every process must know what the accounts keep; the rest is done by one of them.
                accounts = turns.each("accounts", options.account_check_period_s, self.check_accounts)
                group.create_task(accounts, name="accounts")
                for name, period_s, task in (
                    ("apply", options.apply_period_s, self.apply_all),
                    ("hooks", options.hook_check_period_s, self.ensure_hooks),
                    ("polls", options.poll_period_s, self.poll_all),
                    ("sweeps", min(options.sweep_period_s, 300.0), self.sweep_when_due),
                    ("purge", options.purge_period_s, self.purge),
                ):
                    group.create_task(turns.every(name, period_s, task), name=name)

    async def poll_all(self) -> int:
        """One poll of every source with a feed; what has neither feed nor hooks is listed whole."""
        marked = 0
        for name, poll in self.polls.items():
            row = await self.store.connection(name)
            if row is not None and row.state in ("paused", "blocked"):
                continue
            marked += await poll.once()
            abilities = self.connectors[name].abilities.kinds
            for flow in self.flows.values():
                quiet = [k for k in flow.kinds if not (abilities[k].has_feed or abilities[k].has_hooks)]
                if flow.source == name and quiet and await self._list_again(flow):
                    await self.full(flow, kinds=quiet, what="list", priority=Priority.SWEEP)
        return marked

    async def _list_again(self, flow: FlowSpec) -> bool:
        """Whole listings are read less often than feeds."""
        name, now = f"listed:{flow.name}", self.clock.now()
        stored = await self.store.get_value(name)
        if stored is not None and now - datetime.fromisoformat(stored) < timedelta(seconds=self.options.list_period_s):
            return False
        await self.store.put_value(name, now.isoformat())
        return True

    async def sweep_when_due(self) -> None:
        """Compare everything once per sweep period; a hub that was away for longer does it as soon as it is back."""
        for flow in self.flows.values():
            now = self.clock.now()
            stored = await self.store.get_value(f"swept:{flow.name}")
            last = datetime.fromisoformat(stored) if stored else None
            if last is not None and now - last < timedelta(seconds=self.options.sweep_period_s):
                continue
            if await self.store.get_value(f"rules:{flow.name}") is None:
                continue  # its first pass is not over yet
            if last is None:
                await self.store.put_value(f"swept:{flow.name}", now.isoformat())
                continue
            await self.full(flow, destination_too=True, what="sweep", priority=Priority.SWEEP)
            await self.store.put_value(f"swept:{flow.name}", now.isoformat())

    async def apply(self, flow: FlowSpec, *, progress: Progress = _no_progress) -> int | None:
        """Bring a flow's rules to bear: a first full pass, or one over everything when they changed; the run, if any.

        Parked keys get another chance under the new rules. None: nothing has changed since the last time.
        """
        name, rules = f"rules:{flow.name}", flow_digest(flow)
        before = await self.store.get_value(name)
        if before == rules:
            return None
        if before is not None:
            retried = await self.store.retry_parked(flow=flow.name, reason_code=None, now=self.clock.now())
            log.info("flow.rules-changed", flow=flow.name, retried=retried)
        note = f"rules {rules[:12]}"
        again = await broken_off(self.store, flow, "apply", note)
        run = await self.full(
            flow, everything=before is not None, what="apply", note=note, unfinished=again, progress=progress
        )
        await self.store.put_value(name, rules)
        return run

    async def apply_all(self) -> None:
        """Every flow's rules."""
        for flow in self.flows.values():
            await self.apply(flow)


def _row(
    known: ConnectionRow | None, *, state: str, reason: str, now: datetime, name: ConnectionName | None = None
) -> ConnectionRow:
    return ConnectionRow(
        name=known.name if known else name or ConnectionName(""),
        fingerprint=known.fingerprint if known else None,
        account=known.account if known else "",
        state=state,
        reason=reason,
        changed_at=now,
    )


def _mark_for(key: FlowKey, lane: LaneName, now: datetime) -> Mark:
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
        priority=Priority.NORMAL,
        cause=Cause.MANUAL,
        deleted=False,
        verify=True,
    )
