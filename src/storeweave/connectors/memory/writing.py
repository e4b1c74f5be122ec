"""How the memory connector turns a batch of changes into calls, and the answers into one outcome per change.

Order: fields of existing records in bulk, their parts, new records, images, deletes. A step that fails ends the
work on its own change only; what came into being before it stays in the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from storeweave.connectors.memory.calls import Caller
from storeweave.connectors.memory.content import PartKeys
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.model.errors import LaneBlockedError, LeaseLostError, RefusedError, StoreweaveError, TransientError
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import NEW, Change, Op, Outcome, PartsChange, Record, Value
from storeweave.ports.connector import Abilities
from storeweave.ports.permit import Permit

Answer = Record | StoreweaveError | None


class _Work(msgspec.Struct):
    """One change under way."""

    change: Change
    key: Key | None = None
    record: Record | None = None
    error: StoreweaveError | None = None
    part_keys: dict[str, dict[str, str]] = {}
    calls: list[str] = []

    def learn(self, record: Record | None, part_keys: PartKeys) -> None:
        self.record = record
        self.key = record.key if record else self.key
        for collection, keys in part_keys.items():
            self.part_keys.setdefault(collection, {}).update(keys)

    def outcome(self) -> Outcome:
        return Outcome(
            key=self.key, error=self.error, record=self.record, part_keys=self.part_keys, calls=tuple(self.calls)
        )


class Writer:
    """Writes batches of changes to one shop."""

    def __init__(
        self, shop: MemoryShop, caller: Caller, *, owner: str, abilities: Abilities, rows_per_call: int
    ) -> None:
        self._shop = shop
        self._caller = caller
        self._owner = owner
        self._abilities = abilities
        self._rows = rows_per_call

    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> dict[Key, Outcome]:
        """Send all of them. Raises LaneBlockedError, LeaseLostError, and ValueError over a buggy item."""
        works = [_Work(change=change, key=change.key) for change in changes]
        for work in works:
            self._meet_poison(work)
        open_ = [work for work in works if work.error is None]
        updates = [work for work in open_ if work.change.op is Op.UPDATE]
        await self._set_fields(kind, [work for work in updates if self._writable(kind, work.change)], permit)
        for work in updates:
            await self._set_parts(kind, work, permit)
        for work in open_:
            if work.change.op is Op.CREATE:
                await self._create(kind, work, permit)
        for work in open_:
            if work.change.op is not Op.DELETE:
                await self._set_images(kind, work, permit)
        await self._delete(kind, [work for work in open_ if work.change.op is Op.DELETE], permit)
        return {work.change.ref: work.outcome() for work in works}

    def _writable(self, kind: Kind, change: Change) -> dict[str, Value]:
        able = self._abilities.kinds[kind]
        return {n: v for n, v in change.fields.items() if n not in able.read_only and n in (able.fields or {n})}

    def _meet_poison(self, work: _Work) -> None:
        faults = self._caller.faults
        if not faults.poison and not faults.buggy:
            return
        names = names_in(work.change)
        if names & faults.buggy:
            raise ValueError(f"a mistake of ours about {min(names & faults.buggy)}")
        if names & faults.poison:
            work.error = RefusedError(f"{min(names & faults.poison)} is not taken", code="poison")

    async def _set_fields(self, kind: Kind, works: Sequence[_Work], permit: Permit) -> None:
        for batch in _batches(works, self._rows):

            def one(work: _Work) -> Record:
                return self._shop.set_fields(kind, _key(work), self._writable(kind, work.change), by=self._owner)

            await self._bulk(kind, batch, permit, one, "fields")

    async def _delete(self, kind: Kind, works: Sequence[_Work], permit: Permit) -> None:
        for batch in _batches(works, self._rows):

            def one(work: _Work) -> None:
                self._shop.delete(kind, _key(work), by=self._owner)

            await self._bulk(kind, batch, permit, one, "delete")

    async def _bulk(
        self, kind: Kind, works: Sequence[_Work], permit: Permit, one: Callable[[_Work], Record | None], what: str
    ) -> None:
        """One call for several records; the shop answers for each."""

        def serve(chosen: Iterable[_Work]) -> list[Answer]:
            answers: list[Answer] = []
            for work in chosen:
                try:
                    answers.append(one(work))
                except RefusedError as e:
                    answers.append(e)
            return answers

        def half() -> list[Answer]:
            kept = [self._caller.faults.rng.random() < 0.5 for _ in works]
            return [
                serve([work])[0] if keep else TransientError(f"{what} of {work.key} not done: try again")
                for work, keep in zip(works, kept, strict=True)
            ]

        for work in works:
            work.calls.append(f"{what} {kind} x{len(works)}")
        try:
            answers = await self._caller.write(kind, [_key(w) for w in works], permit, lambda: serve(works), half=half)
        except (LaneBlockedError, LeaseLostError):
            raise
        except StoreweaveError as e:
            for work in works:
                work.error = e
            return
        for work, answer in zip(works, answers, strict=True):
            if isinstance(answer, StoreweaveError):
                work.error = answer
            elif answer is not None:
                work.learn(answer, {})

    async def _create(self, kind: Kind, work: _Work, permit: Permit) -> None:
        fields = self._writable(kind, work.change)
        parts = {c: p for c, p in work.change.parts.items() if c != "images"}
        await self._single(
            kind,
            work,
            permit,
            lambda: self._shop.create(kind, fields, parts, by=self._owner),
            f"create {kind}",
        )

    async def _set_parts(self, kind: Kind, work: _Work, permit: Permit) -> None:
        parts = {c: p for c, p in work.change.parts.items() if c != "images" and (p.create or p.update or p.delete)}
        if work.error is None and parts:
            await self._single(
                kind,
                work,
                permit,
                lambda: self._shop.set_parts(kind, _key(work), parts, by=self._owner),
                f"parts {', '.join(parts)}",
            )

    async def _set_images(self, kind: Kind, work: _Work, permit: Permit) -> None:
        """One call per image: deleted ones first, then new ones, then changed ones."""
        images = work.change.parts.get("images")
        if images is None:
            return
        steps = [PartsChange(delete=(key,)) for key in images.delete]
        steps += [PartsChange(create={key: fields}) for key, fields in images.create.items()]
        steps += [PartsChange(update={key: fields}) for key, fields in images.update.items()]
        for step in steps:
            if work.error is not None:
                return
            await self._image(kind, work, permit, step)

    async def _image(self, kind: Kind, work: _Work, permit: Permit, step: PartsChange) -> None:
        key = _key(work)
        await self._single(
            kind, work, permit, lambda: self._shop.set_parts(kind, key, {"images": step}, by=self._owner), "image"
        )

    async def _single(
        self, kind: Kind, work: _Work, permit: Permit, effect: Callable[[], tuple[Record, PartKeys]], what: str
    ) -> None:
        """One call for one record."""

        def refuse() -> tuple[Record, PartKeys]:
            raise TransientError(f"{what} of {work.change.ref} not done: try again")

        work.calls.append(what)
        try:
            key = work.key or Key(NEW + work.change.ref)
            record, part_keys = await self._caller.write(kind, [key], permit, effect, half=refuse)
        except (LaneBlockedError, LeaseLostError):
            raise
        except StoreweaveError as e:
            work.error = e
            return
        work.learn(record, part_keys)


def names_in(change: Change) -> frozenset[str]:
    """SKUs (of the product and its variants) and names that a change is about."""
    found: set[str] = set()
    for record in (change.wanted, change.theirs):
        if record is not None:
            found |= {match.partition(":")[2] for match in record.matches}
            found |= {str(f["sku"]) for f in record.parts.get("variants", {}).values() if f.get("sku")}
            found |= {str(record.fields[n]) for n in ("sku", "name") if record.fields.get(n)}
    found |= {str(change.fields[n]) for n in ("sku", "name") if change.fields.get(n)}
    return frozenset(found)


def _key(work: _Work) -> Key:
    if work.key is None:
        raise ValueError(f"change {work.change.ref} ({work.change.op}) names no key")
    return work.key


def _batches(works: Sequence[_Work], size: int) -> list[Sequence[_Work]]:
    return [works[i : i + size] for i in range(0, len(works), size)]
