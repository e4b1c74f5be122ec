"""What happened at a memory shop, for oracles outside the program: effects, requests under way, calls.

An effect is a change of the shop's state, by whomever. A request spans the time in which somebody's write may take
effect without being late; two owners with requests for one key under way at once is what leases must prevent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import msgspec

from storeweave.model.kinds import Key, Kind

MERCHANT = "merchant"


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the shop's state."""

    at: float  # monotonic
    by: str
    verb: str  # create, update, delete
    kind: Kind
    key: Key
    detail: tuple[str, ...] = ()  # fields, or "collection+" / "collection~" / "collection-" for parts
    identity: str = ""  # of what a create made: SKU or name
    late: bool = False


class Sending(msgspec.Struct, kw_only=True):
    """One write request from the moment it leaves until its answer (or its end) is seen."""

    by: str
    kind: Kind
    keys: frozenset[Key]
    started_at: float
    ended_at: float | None = None


class Log:
    """The shop's diary."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.sendings: list[Sending] = []
        self.calls: Counter[str] = Counter()
        """Remote calls by verb and kind: ``write product``, ``scan category``, ..."""

    def count_calls(self, *verbs: str) -> int:
        """How many calls of these verbs (``read``, ``write``, ...) there were, of all kinds; none named: all calls."""
        return sum(n for call, n in self.calls.items() if not verbs or call.split(" ")[0] in verbs)

    def writes(self, kind: Kind | None = None, key: Key | None = None) -> list[Effect]:
        """Effects of connectors, oldest first."""
        return [e for e in self.effects if e.by != MERCHANT and kind in {None, e.kind} and key in {None, e.key}]

    def clear(self) -> None:
        """Forget everything so far."""
        self.effects.clear()
        self.sendings.clear()
        self.calls.clear()

    def overlaps(self) -> list[tuple[Sending, Sending]]:
        """Requests of different owners for the same key that were under way at the same time.

        One that never ended (its process died in the middle) counts as ended where it started.
        """
        found = []
        open_: list[Sending] = []
        for sending in sorted(self.sendings, key=lambda s: s.started_at):
            open_ = [o for o in open_ if (o.started_at if o.ended_at is None else o.ended_at) > sending.started_at]
            found += [
                (o, sending)
                for o in open_
                if o.by != sending.by and o.kind is sending.kind and not o.keys.isdisjoint(sending.keys)
            ]
            open_.append(sending)
        return found

    def created_twice(self, kinds: Collection[Kind] = tuple(Kind)) -> list[str]:
        """Identities that connectors created more than once without a delete in between."""
        alive: dict[tuple[Kind, str], Key] = {}
        by_key: dict[tuple[Kind, Key], str] = {}
        found = []
        for effect in self.effects:
            if effect.kind not in kinds:
                continue
            if effect.verb == "delete":
                alive.pop((effect.kind, by_key.pop((effect.kind, effect.key), "")), None)
            elif effect.verb == "create" and effect.by != MERCHANT:
                if (effect.kind, effect.identity) in alive:
                    found.append(f"{effect.kind} {effect.identity}")
                alive[effect.kind, effect.identity] = effect.key
                by_key[effect.kind, effect.key] = effect.identity
        return found
