"""What the store knows, as people are shown it: status, items, history, parked keys, brakes, runs.

Read only, and only from our own state: nothing here calls a vendor. Why a value is what it is, is told by ``stories``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from storeweave import __version__
from storeweave.app.cursors import from_cursor, to_cursor
from storeweave.app.showing import brake_shown, cause_shown, history_entry, item_row, run_shown
from storeweave.app.shown import (
    BrakeShown,
    ConnectionStatus,
    FlowStatus,
    HistoryPage,
    ItemPage,
    ItemRow,
    ParkedPage,
    RunShown,
    Status,
    Verdict,
)
from storeweave.model.errors import BadRequestError, RefusedError
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind, LaneName
from storeweave.model.records import FlowKey
from storeweave.model.state import Backlog, Link, Mark, MarkState
from storeweave.ports.clock import Clock
from storeweave.ports.store import Store

MOST = 500
"""The largest page."""
ITEM_STATES = ("agrees", "dirty", "parked", "held")


class CallsSpent(Protocol):
    """What a connection's call budget tells of itself."""

    calls: int
    limited: int

    @property
    def left(self) -> int | None: ...


class Views:
    """Views of one store."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        flows: Mapping[FlowName, FlowSpec],
        systems: Mapping[ConnectionName, str],
        *,
        spent: Mapping[ConnectionName, CallsSpent] | None = None,
        shadows: frozenset[FlowName] = frozenset(),
    ) -> None:
        """``systems`` names the kind of system behind each connection; ``spent`` are this process' call budgets."""
        self.store = store
        self.clock = clock
        self.flows = flows
        self._systems = systems
        self._spent = spent or {}
        self._shadows = shadows

    # --- status -----------------------------------------------------------------------------------------------------

    async def status(self) -> Status:
        """The state of everything."""
        now = self.clock.now()
        backlog = await self.store.backlog(now)
        flows = [
            await self._flow_status(flow, [b for b in backlog if b.flow == flow.name], now)
            for flow in self.flows.values()
        ]
        connections = await self.connections()
        brakes = len(await self.store.brakes())
        parked = sum(b.parked for b in backlog)
        return Status(
            version=__version__,
            at=now,
            verdict=_verdict(flows, connections, brakes),
            flows=flows,
            connections=connections,
            brakes=brakes,
            parked=parked,
        )

    async def _flow_status(self, flow: FlowSpec, everything: Sequence[Backlog], now: datetime) -> FlowStatus:
        backlog = [b for b in everything if b.flow == flow.name]
        oldest_at = min((b.oldest_at for b in backlog if b.oldest_at is not None), default=None)
        return FlowStatus(
            name=flow.name,
            source=flow.source,
            destination=flow.destination,
            kinds=[str(kind) for kind in flow.kinds],
            linked={str(kind): await self.store.linked_count(flow.name, kind) for kind in flow.kinds},
            dirty=sum(b.dirty for b in backlog),
            backing_off=sum(b.backing_off for b in backlog),
            parked=sum(b.parked for b in backlog),
            held=sum(b.held for b in backlog),
            oldest_at=oldest_at,
            lag_s=max(0.0, (now - oldest_at).total_seconds()) if oldest_at else 0.0,
            shadow=flow.name in self._shadows,
        )

    async def connections(self) -> list[ConnectionStatus]:
        """All configured connections."""
        pauses = await self.store.lane_pauses()
        now = self.clock.now()
        found = []
        for name, system in self._systems.items():
            row = await self.store.connection(name)
            until, why = pauses.get(LaneName(name), (None, ""))
            spent = self._spent.get(name)
            found.append(
                ConnectionStatus(
                    name=name,
                    system=system,
                    state=row.state if row else "unknown",
                    reason=(row.reason if row else "") or why,
                    account=row.account if row else "",
                    paused_until=until if until is not None and now < until < now + timedelta(days=365) else None,
                    last_notice_at=await self.store.last_notice_at(name),
                    calls=spent.calls if spent else None,
                    limited=spent.limited if spent else None,
                    calls_left=spent.left if spent else None,
                )
            )
        return found

    # --- items ------------------------------------------------------------------------------------------------------

    async def items(
        self,
        *,
        flow: str | None = None,
        kind: str | None = None,
        state: str | None = None,
        text: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> ItemPage:
        """Records, a page at a time."""
        limit = _page(limit)
        if state is not None and state not in ITEM_STATES:
            raise BadRequestError(f"state: write one of {', '.join(ITEM_STATES)}")
        start = _flow_key(after)
        if state in {"dirty", "parked", "held"}:
            return await self.marked(MarkState(state), flow=flow, kind=kind, after=start, limit=limit)
        found: list[Link] = []
        for flow_name, one_kind in self._listings(flow, kind, start):
            here = start is not None and (start.flow, start.kind) == (flow_name, one_kind)
            found += await self.store.link_rows(
                flow_name,
                one_kind,
                after=start.key if here and start is not None else None,
                limit=limit + 1 - len(found),
                text=text or None,
            )
            if len(found) > limit:
                break
        rows = [item_row(link.key, link, await self.mark(link.key)) for link in found[:limit]]
        if state == "agrees":
            rows = [row for row in rows if row.state == "agrees"]
        return ItemPage(items=rows, next=_cursor_of(found[limit - 1].key) if len(found) > limit else None)

    def _listings(self, flow: str | None, kind: str | None, start: FlowKey | None) -> list[tuple[FlowName, Kind]]:
        """Pairs to list, in order, from where a cursor points."""
        flows = [self.flow(flow)] if flow is not None else list(self.flows.values())
        kinds = [to_kind(kind)] if kind is not None else list(Kind)
        pairs = [(one.name, k) for one in flows for k in kinds if k in one.kinds]
        if start is not None and (start.flow, start.kind) in pairs:
            pairs = pairs[pairs.index((start.flow, start.kind)) :]
        return pairs

    async def marked(
        self,
        state: MarkState,
        *,
        flow: str | None = None,
        kind: str | None = None,
        code: str | None = None,
        after: FlowKey | None = None,
        limit: int = 50,
    ) -> ItemPage:
        """Keys with a mark in this state."""
        marks = await self.store.marks(
            flow=self.flow(flow).name if flow is not None else None,
            state=state,
            reason_code=code,
            limit=limit + 1,
            after=after,
        )
        shown = [m for m in marks[:limit] if kind is None or m.key.kind is to_kind(kind)]
        links = await self._links([m.key for m in shown])
        return ItemPage(
            items=[item_row(mark.key, links.get(mark.key), mark) for mark in shown],
            next=_cursor_of(marks[limit - 1].key) if len(marks) > limit else None,
        )

    async def _links(self, keys: Sequence[FlowKey]) -> dict[FlowKey, Link]:
        found: dict[FlowKey, Link] = {}
        for flow, kind in {(key.flow, key.kind) for key in keys}:
            wanted = [key.key for key in keys if (key.flow, key.kind) == (flow, kind)]
            known = await self.store.bases(flow, kind, wanted)
            found |= {link.key: link for link, _ in known.values()}
        return found

    async def mark(self, key: FlowKey) -> Mark | None:
        """A key's mark, if it has one."""
        return next(iter(await self.store.marks(key=key, limit=1)), None)

    async def find(self, text: str, *, flow: str | None = None, kind: str | None = None) -> list[FlowKey]:
        """Keys that a person may mean: ``flow/kind/key``, ``kind/key``, an id on either side, a SKU, a name's start."""
        given = self.spelled_out(text, flow)
        if given:
            return [key for key in given if await self.is_known(key)]
        wanted_flow = self.flow(flow).name if flow is not None else None
        wanted_kind = to_kind(kind) if kind is not None else None
        links = [
            link
            for link in await self.store.find_keys(wanted_flow, text)
            if link.key.flow in self.flows and wanted_kind in {None, link.key.kind}
        ]
        exact = [link for link in links if text in {link.key.key, link.destination_key, link.sku, link.title}]
        found = [link.key for link in exact or links]
        for one in self.flows.values():
            for one_kind in one.kinds:
                key = FlowKey(one.name, one_kind, Key(text))
                right = wanted_flow in {None, one.name} and wanted_kind in {None, one_kind}
                if right and key not in found and await self.mark(key) is not None:
                    found.append(key)
        return found

    def spelled_out(self, text: str, flow: str | None) -> list[FlowKey]:
        """``flow/kind/key`` or ``kind/key`` as keys, whether anything is known of them or not; [] for other texts."""
        first, _, rest = text.partition("/")
        kinds = {str(kind) for kind in Kind}
        if first in kinds and rest:
            names = [self.flow(flow).name] if flow is not None else list(self.flows)
            return [FlowKey(name, Kind(first), Key(rest)) for name in names]
        kind, _, key = rest.partition("/")
        if first in self.flows and kind in kinds and key:
            return [FlowKey(FlowName(first), Kind(kind), Key(key))]
        return []

    async def is_known(self, key: FlowKey) -> bool:
        """True when we have a link, a mark or history of the key."""
        if await self.store.links(key.flow, key.kind, [key.key]) or await self.mark(key) is not None:
            return True
        return bool(await self.store.history(key=key, limit=1))

    async def find_one(self, text: str, *, flow: str | None = None, kind: str | None = None) -> FlowKey:
        """The one key that a person means. RefusedError when there is none, or several."""
        found = await self.find(text, flow=flow, kind=kind)
        if not found:
            raise RefusedError(
                f"nothing is known under {text!r}; give an id, a SKU, the start of a name, or kind/id", code="unknown"
            )
        if len(found) > 1:
            names = ", ".join("/".join(key_text) for key_text in ((k.flow, k.kind, k.key) for k in found[:5]))
            raise RefusedError(f"{text!r} may mean {len(found)} records; name one: {names}", code="ambiguous")
        return found[0]

    async def row(self, key: FlowKey) -> ItemRow:
        """One record."""
        links = await self._links([key])
        return item_row(key, links.get(key), await self.mark(key))

    # --- history, parked, brakes, runs ------------------------------------------------------------------------------

    async def history(
        self,
        *,
        item: str | None = None,
        flow: str | None = None,
        run: int | None = None,
        since: datetime | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> HistoryPage:
        """Applied changes, newest first."""
        limit = _page(limit)
        before = from_cursor(after, int)[0] if after else None
        rows = await self.store.history(
            flow=self.flow(flow).name if flow is not None else None,
            key=await self.find_one(item, flow=flow) if item is not None else None,
            run=run,
            since=since,
            before=int(before) if before is not None else None,
            limit=limit + 1,
        )
        cursor = to_cursor([rows[limit - 1].id or 0]) if len(rows) > limit else None
        return HistoryPage(changes=[history_entry(row) for row in rows[:limit]], next=cursor)

    async def parked(
        self, *, flow: str | None = None, code: str | None = None, after: str | None = None, limit: int = 50
    ) -> ParkedPage:
        """What is parked, by cause and by key."""
        wanted = self.flow(flow).name if flow is not None else None
        causes = [
            cause_shown(cause)
            for cause in await self.store.parked_causes()
            if wanted in {None, cause.flow} and code in {None, cause.reason_code}
        ]
        page = await self.marked(MarkState.PARKED, flow=flow, code=code, after=_flow_key(after), limit=_page(limit))
        return ParkedPage(causes=causes, items=page.items, next=page.next)

    async def brakes(self) -> list[BrakeShown]:
        """Open brakes."""
        return [brake_shown(row) for row in await self.store.brakes()]

    async def runs(self, *, flow: str | None = None, limit: int = 20) -> list[RunShown]:
        """Passes, newest first."""
        wanted = self.flow(flow).name if flow is not None else None
        return [run_shown(row) for row in await self.store.runs(flow=wanted, limit=_page(limit))]

    async def run(self, run: int) -> RunShown:
        """One pass."""
        row = await self.store.run(run)
        if row is None:
            raise RefusedError(f"there is no run {run}", code="unknown")
        return run_shown(row)

    def flow(self, name: str) -> FlowSpec:
        """The flow of that name."""
        found = self.flows.get(FlowName(name))
        if found is None:
            known = ", ".join(self.flows) or "none"
            raise RefusedError(f"there is no flow {name!r}; configured are: {known}", code="unknown")
        return found


def to_kind(text: str) -> Kind:
    """Raises BadRequestError naming the kinds."""
    try:
        return Kind(text)
    except ValueError:
        raise BadRequestError(f"kind: write one of {', '.join(Kind)}") from None


def _verdict(flows: Sequence[FlowStatus], connections: Sequence[ConnectionStatus], brakes: int) -> Verdict:
    if not flows:
        return "nothing configured"
    if brakes or any(f.parked for f in flows) or any(c.state in {"blocked", "read-only"} for c in connections):
        return "needs a person"
    if any(f.dirty for f in flows):
        return "working"
    return "waiting" if any(f.backing_off for f in flows) else "in agreement"


def _page(limit: int) -> int:
    if not 1 <= limit <= MOST:
        raise BadRequestError(f"limit: write a number from 1 to {MOST}")
    return limit


def _cursor_of(key: FlowKey) -> str:
    return to_cursor([key.flow, key.kind, key.key])


def _flow_key(after: str | None) -> FlowKey | None:
    if not after:
        return None
    flow, kind, key = map(str, from_cursor(after, str, str, str))
    return FlowKey(FlowName(flow), to_kind(kind), Key(key))
