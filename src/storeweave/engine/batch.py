"""One batch: some keys of one kind of one flow, made right at the destination.

Read, match, plan, guard, write, record: in that order, so that dying between any two steps leaves the keys dirty and
doing it again is harmless. Each key gets its own verdict; a key without one is still dirty.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from storeweave.engine.images import Hashes, recognise_images
from storeweave.engine.item import Item, asked_for, event_of, history_row, link_to, newest_of, read_all
from storeweave.engine.results import Results
from storeweave.engine.world import World
from storeweave.ledger.agreed import agreed
from storeweave.ledger.merge import merge
from storeweave.mapping.matching import identities, match
from storeweave.mapping.parts import link_parts
from storeweave.mapping.wanted import references, wanted
from storeweave.model.errors import LaneBlockedError, RefusedError, StoreweaveError, TransientError
from storeweave.model.flow import FlowSpec, Policy
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Cause, FlowKey, Priority, Record
from storeweave.model.state import Base, BaseUpdate, ConflictRow, Link, Mark
from storeweave.ports.connector import Connector
from storeweave.ports.permit import Permit

PermitOf = Callable[[Priority], Permit]
ShowHand = Callable[[Sequence[FlowKey]], Awaitable[None]]
CarryOut = Callable[["Batch"], Awaitable[None]]
_LATER_LOOKS = frozenset({Cause.SECOND_LOOK, Cause.CONFIRM, Cause.REFERENCE, Cause.SWEEP, Cause.DRIFT})
_DEPTH = 12


class Batch:
    """The steps up to the plan. Guards and writing are in ``engine.writing``, deletes in ``engine.deletes``."""

    def __init__(
        self,
        world: World,
        flow: FlowSpec,
        kind: Kind,
        marks: Sequence[Mark],
        permit: PermitOf,
        *,
        carry_out: CarryOut | None = None,
        show_hand: ShowHand | None = None,
        fresh: dict[tuple[Kind, Key], Key] | None = None,
        depth: int = 0,
    ) -> None:
        """``carry_out`` makes what records refer to; None: a dry run, nothing is made, references stay open.

        ``show_hand`` is told the keys that are about to be written (the next owner of the lane confirms them should we
        die). ``fresh`` are links made a moment ago that are not stored yet, shared with the batches of references.
        """
        self.world = world
        self.flow = flow
        self.kind = kind
        self.marks = marks
        self.permit = permit
        self.source: Connector = world.connectors[flow.source]
        self.destination: Connector = world.connectors[flow.destination]
        lag_s = self.destination.abilities.read_lag_s
        self.results = Results(rng=world.rng, safety=world.safety, source=flow.source, lag_s=lag_s)
        self.fresh = fresh if fresh is not None else {}
        self.carry_out = carry_out
        self.show_hand = show_hand
        self.depth = depth
        self.blocked_on = flow.destination
        self.sending = False  # a write is under way, or was when an error ended the batch
        self.intents: Mapping[FlowKey, tuple[datetime, tuple[str, ...]]] = {}  # creates tried before this batch
        self.gone: list[tuple[Mark, Link | None, Base | None]] = []

    @property
    def now(self) -> datetime:
        """The wall clock."""
        return self.world.clock.now()

    async def plan(self) -> list[Item]:
        """Items that need a write, each with its ``merge``. Everything else has its verdict in ``results``.

        Records that are gone at the source are left in ``gone``.
        """
        asked_at = self.now
        try:
            keys = [m.key.key for m in self.marks]
            records = await read_all(self.source, self.kind, keys, self.permit(Priority.NORMAL))
        except (LaneBlockedError, TransientError):
            self.blocked_on = self.flow.source
            raise
        bases = await self.world.store.bases(self.flow.name, self.kind, [m.key.key for m in self.marks])
        self.intents = await self.world.store.intents([m.key for m in self.marks])
        items = []
        for mark in self.marks:
            link, base = bases.get(mark.key.key, (None, None))
            record = records.get(mark.key.key)
            if record is None:
                self.gone.append((mark, link, base))
            else:
                items.append(Item(mark=mark, source=record, link=link, base=base))
        items = await self._not_buried(items)
        self._translate(items, await self._known_references(items))
        items = await self._without_missing(items)
        items = self._changed_only(items, asked_at)
        await self._look(items)
        items = await self._linked(items)
        return self._merged(items)

    # --- is it alive, and what does it refer to ---------------------------------------------------------------------

    async def _not_buried(self, items: list[Item]) -> list[Item]:
        """What was deleted is believed back on a second look only: late notices and stale reads raise no dead."""
        if not self.world.safety.tombstones:
            return items
        dead = set(await self.world.store.is_tombstone([i.key for i in items]))
        alive = []
        for item in items:
            if item.key in dead and item.mark.cause is not Cause.SECOND_LOOK:
                lag_s = max(1.0, self.source.abilities.read_lag_s * 1.5)
                self.results.done(item.mark)
                self.results.look_again(item.mark, self.now + timedelta(seconds=lag_s), self.now, Cause.SECOND_LOOK)
            else:
                alive.append(item)
        return alive

    async def _known_references(self, items: Sequence[Item]) -> dict[Kind, dict[Key, Key]]:
        asked: dict[Kind, set[Key]] = {}
        for item in items:
            for kind, keys in references(item.source).items():
                asked.setdefault(kind, set()).update(keys)
        known: dict[Kind, dict[Key, Key]] = {}
        for kind, keys in asked.items():
            known[kind] = dict(await self.world.store.links(self.flow.name, kind, sorted(keys)))
            known[kind].update({k: there for (fk, k), there in self.fresh.items() if fk is kind and k in keys})
        return known

    def _translate(self, items: list[Item], known: Mapping[Kind, Mapping[Key, Key]]) -> None:
        """Set ``wanted``; an item that no rule can make right is parked and taken off the list."""
        for item in list(items):
            if not item.links:
                item.links = link_parts(item.source, None, item.base.links if item.base else {})
            try:
                item.wanted = wanted(
                    item.source,
                    flow=self.flow,
                    references=known,
                    links=item.links,
                    takes=self.destination.abilities.kinds[self.kind],
                    price_places=self.destination.abilities.price_places,
                    destination_currency=self.world.currencies.get(self.flow.destination),
                )
            except RefusedError as error:
                self.results.fail(item.mark, error, self.now, item.source.digest)
                items.remove(item)

    async def _without_missing(self, items: list[Item]) -> list[Item]:
        """What a record refers to and isn't linked yet is made first, in bulk; who still lacks something waits."""
        if self.carry_out is None:
            return items
        missing = {ref for i in items for ref in self._missing(i)}
        if missing and self.depth < _DEPTH:
            for kind in sorted({k for k, _ in missing}, key=list(Kind).index):
                await self._ensure(kind, sorted(key for k, key in missing if k is kind), self.carry_out)
            items = self._not_made_meanwhile(items)
            self._translate(items, await self._known_references(items))
        ready = []
        for item in items:
            unmade = [r for r in self._missing(item) if r not in self.results.dangling or self._too_early(item)]
            if not unmade:
                ready.append(item)
                continue
            names = ", ".join(f"{kind} {key}" for kind, key in unmade[:3])
            self.results.wait_for(item.mark, f"waits for {names}, which is not at the destination yet", self.now)
        return ready

    def _too_early(self, item: Item) -> bool:
        """What the item refers to may just not be readable yet."""
        return (self.now - item.mark.noticed_at).total_seconds() <= self.source.abilities.read_lag_s

    def _not_made_meanwhile(self, items: list[Item]) -> list[Item]:
        """Without those that were just made because others of this batch refer to them: they have a link now."""
        made = [i for i in items if i.link is None and (self.kind, i.key.key) in self.fresh]
        for item in made:
            self.results.later(item.mark, self.now, 0.0, "was made for another record", "reference", counted=False)
        return [i for i in items if i not in made]

    def _missing(self, item: Item) -> list[tuple[Kind, Key]]:
        return [r for r in item.wanted.missing if r[0] in self.flow.kinds]

    async def _ensure(self, kind: Kind, keys: Sequence[Key], carry_out: CarryOut) -> None:
        inner = Batch(
            self.world,
            self.flow,
            kind,
            [asked_for(FlowKey(self.flow.name, kind, k), self.flow, self.now) for k in keys],
            self.permit,
            carry_out=carry_out,
            show_hand=self.show_hand,
            fresh=self.fresh,
            depth=self.depth + 1,
        )
        inner.results.worked = [m.key for m in inner.marks]
        try:
            await carry_out(inner)
        finally:  # what was made is remembered, whatever came after it
            self.results.absorb(inner.results, gone=[(kind, m.key.key) for m, _, _ in inner.gone])

    # --- what needs a closer look -----------------------------------------------------------------------------------

    def _changed_only(self, items: list[Item], asked_at: datetime) -> list[Item]:
        """Drop items whose source wants what it wanted, unless somebody asked to look at the destination, too."""
        kept = []
        for item in items:
            self._second_look(item, asked_at)
            if item.base is None or item.mark.verify:
                kept.append(item)
                continue
            item.merge = merge(item.wanted.record, item.base, None, policy=self._policy)
            if item.merge.agrees:
                self._settle_agreement(item, None)
            else:
                kept.append(item)
        return kept

    def _second_look(self, item: Item, asked_at: datetime) -> None:
        """A notice may arrive before the source's reads show what it is about (semantics 3.4)."""
        lag_s = self.source.abilities.read_lag_s
        mark = item.mark
        if not lag_s or not self.world.safety.second_look or mark.cause in _LATER_LOOKS:
            return
        if (asked_at - mark.noticed_at).total_seconds() > lag_s:
            return
        fresh = item.source.modified_at
        if fresh is not None and mark.happened_at is not None and fresh > mark.happened_at + timedelta(seconds=1):
            return  # the read shows something newer than what the notice was about
        at = mark.noticed_at + timedelta(seconds=lag_s * 1.2)
        self.results.look_again(mark, at, self.now, Cause.SECOND_LOOK, event=event_of(mark))

    def _trusted(self, item: Item) -> bool:
        """A read right after our own write may show the state before it: then the base is what we go by."""
        lag_s = self.destination.abilities.read_lag_s if self.world.safety.trust_own_writes else 0.0
        written_at = item.base.written_at if item.base else None
        return bool(lag_s and written_at and (self.now - written_at).total_seconds() < lag_s)

    async def _look(self, items: Sequence[Item]) -> None:
        """Read the destination's side of linked items that are about to be written or checked."""
        asked = {i.there: i for i in items if i.there is not None and not self._trusted(i)}
        for item in items:
            if item.there is not None and item.there not in asked and item.mark.verify and item.base:
                lag_s = self.destination.abilities.read_lag_s
                at = (item.base.written_at or self.now) + timedelta(seconds=lag_s * 1.2)
                self.results.look_again(item.mark, at, self.now, Cause.CONFIRM, verify=True)
        if not asked:
            return
        shown = await read_all(self.destination, self.kind, list(asked), self.permit(Priority.NORMAL))
        for key, item in asked.items():
            item.theirs = shown.get(key)
            if item.theirs is None:  # somebody deleted it there: it is matched or made again
                item.was_there, item.link, item.base, item.links = key, None, None, {}
        lost = [i for i in asked.values() if i.theirs is None]
        self._translate(lost, await self._known_references(lost))

    def _left_deleted(self, items: Sequence[Item]) -> list[Item]:
        """Where the flow says so, what somebody deleted at the destination waits for a person."""
        if self.flow.recreate:
            return list(items)
        kept = []
        for item in items:
            if item.was_there is not None and item.link is None:
                reason = f"somebody deleted {item.was_there} at the destination; `storeweave unlink` makes it again"
                error = RefusedError(reason, code="deleted-there")
                self.results.fail(item.mark, error, self.now, item.source.digest)
            else:
                kept.append(item)
        return kept

    async def _linked(self, items: Sequence[Item]) -> list[Item]:
        """Match what is not linked; park what cannot be told apart; translate again where links were found."""
        items = self._left_deleted(items)
        known = await self._match([i for i in items if i.link is None])
        ready = []
        for item in items:
            if item.key in known:
                verdict = known[item.key]
                if isinstance(verdict, StoreweaveError):
                    self.results.fail(item.mark, verdict, self.now, item.source.digest)
                    continue
                if verdict is not None:
                    item.link, item.theirs = verdict
            ready.append(item)
        store, permit = self.world.store, self.permit(Priority.IMAGE)
        here = Hashes(store, self.flow.source, self.source, permit)
        there = Hashes(store, self.flow.destination, self.destination, permit)
        relinked = []
        for item in ready:
            if item.theirs is None:
                continue
            source, item.theirs = await recognise_images(item.source, item.theirs, item.links, here, there)
            links = link_parts(source, item.theirs, item.links)
            if source is not item.source or links != item.links:
                item.source, item.links = source, links
                relinked.append(item)
        left = list(relinked)
        self._translate(left, await self._known_references(left))
        refused = {i.key for i in relinked} - {i.key for i in left}
        return [i for i in ready if i.key not in refused]

    async def _match(self, items: Sequence[Item]) -> dict[FlowKey, tuple[Link, Record] | StoreweaveError | None]:
        if not items:
            return {}
        rules = self.flow.match
        intents = {i.key: self.intents[i.key] for i in items if i.key in self.intents}
        earlier = {key: matches for key, (_, matches) in intents.items()}
        asked = sorted(
            {i for item in items for i in identities(item.source.matches, rules)}
            | {i for matches in earlier.values() for i in identities(matches, rules)}
        )
        found = await self.destination.find(self.kind, asked, self.permit(Priority.NORMAL)) if asked else {}
        candidates = sorted({c.key for records in found.values() for c in records})
        owners = dict(await self.world.store.links_back(self.flow.name, self.kind, candidates))
        owners.update({there: key for (kind, key), there in self.fresh.items() if kind is self.kind})
        verdicts: dict[FlowKey, tuple[Link, Record] | StoreweaveError | None] = {}
        for item in items:
            verdict = match(item.source, rules, found, owners, earlier.get(item.key, ()))
            if verdict.problem:
                verdicts[item.key] = RefusedError(verdict.problem, code=verdict.code)
            elif verdict.key is None:
                verdicts[item.key] = self._may_still_land(item, intents.get(item.key))
            else:
                owners[verdict.key] = item.key.key
                verdicts[item.key] = (
                    link_to(item, verdict.key, verdict.how, self.now),
                    next(c for records in found.values() for c in records if c.key == verdict.key),
                )
        whole = [(k, v[0].destination_key) for k, v in verdicts.items() if isinstance(v, tuple)]
        shown = await read_all(self.destination, self.kind, [k for _, k in whole], self.permit(Priority.NORMAL))
        for key, there in whole:
            record, pair = shown.get(there), verdicts[key]
            if record is not None and isinstance(pair, tuple):
                verdicts[key] = (pair[0], record)
        return verdicts

    def _may_still_land(self, item: Item, intent: tuple[datetime, tuple[str, ...]] | None) -> TransientError | None:
        """A create without an answer, under another identity than today's, may come true behind our back.

        Under today's identity the destination itself refuses the second copy; under another nobody would.
        """
        rules = self.flow.match
        if intent is None or identities(intent[1], rules) == identities(item.source.matches, rules):
            return None
        wait_s = self.landing_wait_s(intent[0])
        text = "an earlier create of it has no answer yet and may still take effect"
        return TransientError(text, wait_s=wait_s, code="intent") if wait_s > 0 else None

    def landing_wait_s(self, sent_at: datetime) -> float:
        """Seconds until a call sent then can no longer take effect; not positive when that is over."""
        abilities = self.destination.abilities
        over_at = sent_at + timedelta(seconds=abilities.request_timeout_s + abilities.late_landing_s)
        return (over_at - self.now).total_seconds()

    # --- the plan ---------------------------------------------------------------------------------------------------

    def _policy(self, path: str) -> Policy:
        collection = path.partition("/")[0]
        name = path.rpartition("/")[2]
        policies = self.flow.field_policies
        return policies.get(f"{collection}.{name}") or policies.get(collection) or self.flow.policy

    def _merged(self, items: Sequence[Item]) -> list[Item]:
        planned = []
        for item in items:
            theirs = item.theirs
            item.merge = merge(
                item.wanted.record,
                item.base,
                theirs,
                policy=self._policy,
                newest=lambda i=item: newest_of(i),  # type: ignore[misc]
            )
            self._note_conflicts(item)
            if item.merge.agrees and item.there is not None:
                self._settle_agreement(item, theirs)
            else:
                planned.append(item)
        return planned

    def _note_conflicts(self, item: Item) -> None:
        for c in item.merge.conflicts:
            self.results.conflicts.append(
                ConflictRow(
                    key=item.key,
                    path=c.path,
                    base=c.base,
                    source=c.source,
                    destination=c.destination,
                    choice=c.choice,
                    actor="rule",
                    at=self.now,
                )
            )

    def _settle_agreement(self, item: Item, theirs: Record | None) -> None:
        """Nothing to write: remember what we saw if that is news, and be done."""
        if item.there is None:
            raise LookupError(f"{item.key} agrees with nothing: it has no link")
        base = agreed(
            item.wanted.record,
            destination_key=item.there,
            merge=item.merge,
            before=item.base,
            links=item.links,
            part_keys={},
            shown=theirs,
            source_digest=b"" if item.wanted.left_out else item.source.digest,
            written_at=None,
        )
        first = item.base is None
        if first or base != item.base:
            self.results.bases.append(BaseUpdate(key=item.key, base=base, link=item.link))
        if first and item.link is not None:
            self.fresh[(self.kind, item.key.key)] = item.there
            self.results.history.append(history_row(item, "link", (), (), self.now))
        self.confirm_if_doubtful(item.mark)
        self.results.done(item.mark)

    def confirm_if_doubtful(self, mark: Mark) -> None:
        """After a write without an answer, look once more when it can no longer land (semantics 3.1)."""
        doubtful = (
            mark.verify and (mark.cause is not Cause.CONFIRM or mark.attempts > 0) and mark.cause is not Cause.DRIFT
        )
        if not doubtful:
            # A create that was tried on behalf of another record left no doubt on this mark, and may land all the same.
            if mark.key not in self.intents or self.landing_wait_s(self.intents[mark.key][0]) <= 0:
                self.results.intents_done.append(mark.key)
        elif self.world.safety.confirm_after_unknown:
            at = self.now + timedelta(seconds=self.landing_wait_s(self.now))
            self.results.look_again(mark, at, self.now, Cause.CONFIRM, verify=True)
