"""Guards that hold changes until a person confirms: mass deletes, zeroes, price jumps (semantics 3.3, 3.6, 3.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from storeweave.engine.safety import SafetyRules
from storeweave.model.flow import BrakeLimits, FlowSpec
from storeweave.model.kinds import Kind
from storeweave.model.records import FieldChange, FlowKey
from storeweave.model.state import HistoryRow, Mark
from storeweave.ports.store import Store

DELETE, PRICE_MOVE, ZERO_PRICE, ZERO_STOCK, LOOP = "delete", "price-move", "zero-price", "zero-stock", "loop"
_LARGEST_STOCK = 10**9


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a batch: which keys are held, by which brake and why."""

    held: Mapping[FlowKey, tuple[int, str]]


def guards_of(lines: Sequence[FieldChange], limits: BrakeLimits) -> set[str]:
    """Which guards a change concerns."""
    found = set[str]()
    for line in lines:
        name = line.path.rpartition("/")[2]
        if not (line.had and line.has):
            continue
        if name in ("price", "sale_price", "retail_price") and isinstance(line.old, Decimal) and line.old > 0:
            new = line.new if isinstance(line.new, Decimal) else None
            if name == "price" and new == 0:
                found.add(ZERO_PRICE)
            elif new is not None and new > 0 and abs(new - line.old) / line.old > Decimal(str(limits.price_move)):
                found.add(PRICE_MOVE)
        elif name == "inventory_level" and line.new == 0 and isinstance(line.old, int) and line.old > 0:
            found.add(ZERO_STOCK)
    return found


def refused_value(lines: Sequence[FieldChange]) -> str | None:
    """A single value that no write may carry: negative prices, impossible stock. The reason, or None."""
    for line in lines:
        name = line.path.rpartition("/")[2]
        if name.endswith("price") and isinstance(line.new, Decimal) and line.new < 0:
            return f"{line.path} would become {line.new}: a price cannot be negative; correct it at the source"
        if name == "inventory_level" and isinstance(line.new, int) and abs(line.new) > _LARGEST_STOCK:
            return f"{line.path} would become {line.new}: no stock is that large; correct it at the source"
    return None


def loops(rows: Sequence[HistoryRow], lines: Sequence[FieldChange], limit: int) -> frozenset[str]:
    """Fields whose value goes to and fro: more than ``limit`` writes in the window, alternating between values."""
    found = set[str]()
    for line in lines:
        if not (line.had and line.has):
            continue
        values = [old.new for row in rows for old in row.lines if old.path == line.path and old.has]
        if len(values) >= limit and len(set(values)) < len(values) and line.new in values:
            found.add(line.path)
    return frozenset(found)


class Brakes:
    """Counts what passes in a rolling window, and holds what comes after."""

    def __init__(self, store: Store, safety: SafetyRules) -> None:
        self._store = store
        self._safety = safety

    async def deletes(self, flow: FlowSpec, kind: Kind, marks: Sequence[Mark], now: datetime) -> Guarded:
        """Candidates for deletion or hiding; all of a batch are held when together they are too many."""
        if not self._safety.delete_brake or not marks:
            return Guarded(held={})
        limits = flow.brakes
        linked = await self._store.linked_count(flow.name, kind)
        allowed = max(limits.deletes, int(linked * limits.deletes_share))
        return await self._count(
            flow, f"{DELETE}-{kind}", marks, now, limits.deletes_window_s, allowed, "would be deleted or hidden"
        )

    async def values(
        self, flow: FlowSpec, kind: Kind, concerned: Mapping[str, Sequence[Mark]], now: datetime
    ) -> Guarded:
        """Changes of values, by guard."""
        held: dict[FlowKey, tuple[int, str]] = {}
        if not self._safety.value_brakes:
            return Guarded(held=held)
        limits = flow.brakes
        for guard, marks in concerned.items():
            linked = await self._store.linked_count(flow.name, kind)
            allowed = max(limits.values, int(linked * limits.values_share))
            verdict = await self._count(
                flow, guard, marks, now, limits.values_window_s, allowed, _VALUE_TEXT.get(guard, guard)
            )
            held.update(verdict.held)
        return Guarded(held=held)

    async def _count(
        self, flow: FlowSpec, guard: str, marks: Sequence[Mark], now: datetime, window_s: float, allowed: int, text: str
    ) -> Guarded:
        counted = [m for m in marks if m.allowed_brake is None]
        if not counted:
            return Guarded(held={})
        await self._store.note_ops(flow.name, guard, [m.key for m in counted], now)
        total = await self._store.count_ops(flow.name, guard, now - timedelta(seconds=window_s))
        if total <= allowed:
            return Guarded(held={})
        reason = (
            f"{total} {counted[0].key.kind} records {text} within {window_s / 3600:g} h; more than {allowed} need a "
            "person: look at `storeweave brakes`"
        )
        brake = await self._store.open_brake(flow.name, guard, reason, now)
        return Guarded(held={m.key: (brake, reason) for m in counted})


_VALUE_TEXT = {
    PRICE_MOVE: "would change their price sharply",
    ZERO_PRICE: "would get the price 0",
    ZERO_STOCK: "would go to stock 0",
}
