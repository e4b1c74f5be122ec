"""The reference connector: the contract of ``ports.connector`` spoken to a MemoryShop.

Everything is deterministic: the clock and the random source are arguments. A change is written as a real connector
would: fields of several records in one call, parts in one call per record, images one by one; so a failure can leave
a record half written, and says what is known to exist.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from storeweave.connectors.memory.calls import Caller
from storeweave.connectors.memory.content import content_of
from storeweave.connectors.memory.faults import Fault, FaultPlan
from storeweave.connectors.memory.hooks import verified
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.connectors.memory.writing import Writer
from storeweave.model.errors import RefusedError
from storeweave.model.kinds import SCHEMAS, ConnectionName, Key, Kind
from storeweave.model.records import Cause, Change, Event, Fields, Notice, Outcome, Priority, Record, Value
from storeweave.ports.clock import Clock
from storeweave.ports.connector import (
    Abilities,
    Account,
    HookReport,
    HookRequest,
    HookState,
    KindAbilities,
    Page,
)
from storeweave.ports.permit import CallBudget, Permit
from storeweave.twinkit.limits import QuotaWindow

FEED = "feed:"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much goes into one call, and what this connector can do with a kind."""

    read_batch: int = 50
    write_batch: int = 50
    page: int = 50
    fields_per_call: int = 10  # records whose fields are written by one call
    kinds: tuple[Kind, ...] = tuple(Kind)
    omits: Mapping[Kind, frozenset[str]] = {}  # fields that the shop has no room for
    hooked: frozenset[Kind] = frozenset(Kind)
    fed: frozenset[Kind] = frozenset(Kind)
    tells_total: bool = True
    answers_records: bool = True  # outcomes show the record as it is after the write
    missing_scopes: tuple[str, ...] = ()


class MemoryConnector:
    """A HookedConnector. ``owner`` signs its writes in the shop's log."""

    def __init__(
        self,
        shop: MemoryShop,
        *,
        clock: Clock,
        rng: random.Random | None = None,
        faults: FaultPlan | None = None,
        budget: CallBudget | None = None,
        quota: QuotaWindow | None = None,
        latency_s: tuple[float, float] = (0.0, 0.0),
        limits: Limits | None = None,
        owner: str = "hub",
        connection: ConnectionName | None = None,
    ) -> None:
        self.shop = shop
        self.faults = faults or FaultPlan()
        self.limits = limits or Limits()
        self.connection = connection or ConnectionName(shop.name)
        self._clock = clock
        self._caller = Caller(
            shop,
            clock=clock,
            rng=rng or random.Random(0),
            faults=self.faults,
            owner=owner,
            budget=budget,
            quota=quota,
            latency_s=latency_s,
        )
        self._abilities = self._declare()
        self._writer = Writer(
            shop, self._caller, owner=owner, abilities=self._abilities, rows_per_call=self.limits.fields_per_call
        )

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    def _declare(self) -> Abilities:
        kinds = {}
        for kind in self.limits.kinds:
            schema = SCHEMAS[kind]
            listing = frozenset({"listing_state"}) & schema.fields.keys()
            omitted = self.limits.omits.get(kind, frozenset()) | (
                frozenset() if self.shop.rules.lists_channel else listing
            )
            kinds[kind] = KindAbilities(
                read_batch=self.limits.read_batch,
                write_batch=self.limits.write_batch,
                page=self.limits.page,
                fields=frozenset(schema.fields) - omitted,
                parts=frozenset(schema.parts),
                read_only=listing - omitted,
                scan_omits=self.shop.rules.scan_omits & schema.parts.keys(),
                has_hooks=kind in self.limits.hooked,
                has_feed=kind in self.limits.fed,
            )
        return Abilities(
            system="memory",
            kinds=kinds,
            read_lag_s=self.shop.read_lag_s,
            late_landing_s=self.faults.rates.late_s,
            hide_fields={Kind.PRODUCT: {"is_visible": False}, Kind.CATEGORY: {"is_visible": False}},
        )

    # --- reading ----------------------------------------------------------------------------------------------------

    async def check(self, permit: Permit) -> Account:
        def answer() -> Account:
            return Account(
                fingerprint=f"memory:{self.shop.account}",
                name=self.shop.name,
                currency=self.shop.currency,
                base_url=f"https://{self.shop.name}.memory.invalid",
                missing_scopes=self.limits.missing_scopes,
                clock_skew_s=self.shop.rules.clock_skew_s,
            )

        return await self._caller.read("check", None, permit, answer, lie=lambda _, right: right)

    async def scan(self, kind: Kind, cursor: str | None, permit: Permit) -> Page:
        def answer() -> Page:
            return self._page(kind, cursor, None)

        return await self._caller.read(
            "scan", kind, permit, answer, lie=lambda f, p: self._wrong_page(f, p, kind, None)
        )

    async def changed(self, kind: Kind, since: datetime, cursor: str | None, permit: Permit) -> Page:
        def answer() -> Page:
            return self._page(kind, cursor, since)

        return await self._caller.read(
            "changed", kind, permit, answer, lie=lambda f, p: self._wrong_page(f, p, kind, since)
        )

    async def read(self, kind: Kind, keys: Sequence[Key], permit: Permit) -> Mapping[Key, Record | None]:
        """One call for all; a key that its answer lacks is asked for by itself before it counts as not there."""
        if len(keys) > self.limits.read_batch:
            raise ValueError(f"{len(keys)} keys in one read; at most {self.limits.read_batch}")

        def answer() -> dict[Key, Record | None]:
            found = ((key, self.shop.look(kind, key)) for key in dict.fromkeys(keys))
            return {key: self._stumble(record) for key, record in found if record is not None}

        result = await self._caller.read("read", kind, permit, answer, lie=_wrong_records)
        for key in keys:
            if key not in result:
                result[key] = await self._read_one(kind, key, permit)
        return result

    async def _read_one(self, kind: Kind, key: Key, permit: Permit) -> Record | None:
        def answer() -> Record | None:
            record = self.shop.look(kind, key)
            return None if record is None else self._stumble(record)

        return await self._caller.read(
            "read", kind, permit, answer, lie=lambda f, r: _zeroed(r) if r and f is Fault.ZEROES else r
        )

    async def find(self, kind: Kind, matches: Sequence[str], permit: Permit) -> Mapping[str, Sequence[Record]]:
        def answer() -> dict[str, Sequence[Record]]:
            return {match: self.shop.search(kind, match) for match in matches}

        return await self._caller.read("find", kind, permit, answer, lie=lambda _, right: right)

    async def content_hash(self, url: str, permit: Permit) -> str:
        def answer() -> str:
            if not url.startswith("https://"):
                raise RefusedError(f"nothing can be fetched from {url!r}", code="image")
            return content_of(url)

        return await self._caller.read("content_hash", None, permit, answer, lie=lambda _, right: right)

    def _page(self, kind: Kind, cursor: str | None, since: datetime | None) -> Page:
        """Records after ``cursor``, one more than a page to know whether it is the last."""
        size, found = self.limits.page, []
        for record in self.shop.after(kind, Key(cursor) if cursor else None):
            if since is not None and (record.modified_at is None or record.modified_at < since):
                continue
            found.append(self._stumble(self._as_listed(record)))
            if len(found) > size:
                break
        more = len(found) > size
        total = self.shop.count(kind) if self.limits.tells_total and since is None else None
        return Page(records=tuple(found[:size]), cursor=found[size - 1].key if more else None, total=total)

    def _as_listed(self, record: Record) -> Record:
        omitted = self.shop.rules.scan_omits
        if not omitted or omitted.isdisjoint(record.parts):
            return record
        return msgspec.structs.replace(record, parts={c: p for c, p in record.parts.items() if c not in omitted})

    def _wrong_page(self, fault: Fault, page: Page, kind: Kind, since: datetime | None) -> Page:
        if fault is Fault.EMPTY:
            return Page(records=(), cursor=None, total=0 if page.total is not None else None)
        if fault is Fault.MISSING_PAGE:
            return self._page(kind, page.cursor, since) if page.cursor else Page(records=(), total=page.total)
        if fault is Fault.ZEROES:
            return msgspec.structs.replace(page, records=tuple(_zeroed(r) for r in page.records))
        return page

    def _stumble(self, record: Record) -> Record:
        """The record, unless our own code has a mistake that it brings to light."""
        if self.faults.buggy_reads:
            names = {match.partition(":")[2] for match in record.matches} | {record.title}
            if not names.isdisjoint(self.faults.buggy_reads):
                raise ValueError(f"a mistake of ours about {record.title}")
        return record

    # --- writing ----------------------------------------------------------------------------------------------------

    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        if len(changes) > self.limits.write_batch:
            raise ValueError(f"{len(changes)} changes in one write; at most {self.limits.write_batch}")
        outcomes = await self._writer.write(kind, changes, permit)
        if self.limits.answers_records:
            return outcomes
        return {ref: msgspec.structs.replace(outcome, record=None) for ref, outcome in outcomes.items()}

    # --- webhooks ---------------------------------------------------------------------------------------------------

    async def ensure_hooks(self, url: str, permit: Permit) -> HookReport:
        def effect() -> HookReport:
            report: dict[str, list[str]] = {"created": [], "activated": [], "moved": [], "kept": []}
            ours = {h.scope: h for h in self.shop.hooks.subscribed.values() if h.is_ours}
            for kind in sorted(self.limits.hooked):
                hook = ours.get(kind)
                wanted = HookState(
                    id=hook.id if hook else f"{self.shop.name}-{kind}",
                    scope=kind,
                    destination=url,
                    is_active=True,
                    is_ours=True,
                )
                if hook is None:
                    done = "created"
                elif hook == wanted:
                    done = "kept"
                else:
                    done = "moved" if hook.destination != url else "activated"
                report[done].append(kind)
                self.shop.hooks.subscribed[wanted.id] = wanted
            return HookReport(**{done: tuple(scopes) for done, scopes in report.items()})

        return await self._caller.write(Kind.PRODUCT, (), permit, effect, half=effect)

    async def list_hooks(self, permit: Permit) -> Sequence[HookState]:
        def answer() -> list[HookState]:
            return list(self.shop.hooks.subscribed.values())

        return await self._caller.read("list_hooks", None, permit, answer, lie=lambda _, right: right)

    async def remove_hooks(self, permit: Permit) -> int:
        def effect() -> int:
            ours = [hook.id for hook in self.shop.hooks.subscribed.values() if hook.is_ours]
            for hook in ours:
                del self.shop.hooks.subscribed[hook]
            return len(ours)

        return await self._caller.write(Kind.PRODUCT, (), permit, effect, half=effect)

    def receive(self, request: HookRequest, *, now: datetime) -> Sequence[Notice]:
        delivery, body = verified(self.shop.hooks.secret, request, now=now)
        kind = body.scope.partition("/")[0]
        if kind not in self.limits.hooked:
            return ()
        event = Event(body.event)
        return (
            Notice(
                connection=self.connection,
                kind=Kind(kind),
                key=Key(body.key),
                cause=Cause.WEBHOOK,
                event=event,
                delivery_id=delivery,
                topic=body.scope,
                happened_at=body.happened_at,
                priority=Priority.DELETE if event is Event.DELETED else Priority.NORMAL,
            ),
        )


def _wrong_records(fault: Fault, right: dict[Key, Record | None]) -> dict[Key, Record | None]:
    if fault is Fault.EMPTY:
        return {}
    if fault is Fault.ZEROES:
        return {key: record and _zeroed(record) for key, record in right.items()}
    return right


def _zeroed(record: Record) -> Record:
    """The record as a system answers that has lost its numbers."""

    def zero(value: Value) -> Value:
        if isinstance(value, bool):
            return value
        return Decimal(0) if isinstance(value, Decimal) else 0 if isinstance(value, int) else value

    def all_zero(fields: Fields) -> dict[str, Value]:
        return {name: zero(value) for name, value in fields.items()}

    parts = {c: {k: all_zero(f) for k, f in p.items()} for c, p in record.parts.items()}
    return msgspec.structs.replace(record, fields=all_zero(record.fields), parts=parts, digest=b"zero" + record.digest)
