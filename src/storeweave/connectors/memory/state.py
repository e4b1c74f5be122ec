"""A whole store in a dict: its state, its rules, its memory of what happened. The outside world of tests.

Records are held in canonical form and never changed in place. Every change goes through ``put`` or ``remove``, which
keep the indexes, the versions that late readers still see, the diary and the webhooks. Effects that land late wait in
a queue that is worked off by ``touch``: whoever looks at the shop at a later clock time finds them applied.
The merchant's own verbs are in ``shop``, calls from outside in ``connector``.
"""

from __future__ import annotations

import random
from bisect import bisect_right, insort
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from storeweave.connectors.memory.content import (
    Lossy,
    PartKeys,
    changed_parts,
    digest_of,
    matches_of,
    path_match,
    refuse_twins,
    stored,
)
from storeweave.connectors.memory.hooks import Hooks, NoticeFaults
from storeweave.connectors.memory.log import MERCHANT, Effect, Log
from storeweave.model.errors import RefusedError
from storeweave.model.kinds import SCHEMAS, Key, Kind
from storeweave.model.records import Event, Fields, PartsChange, Record
from storeweave.ports.clock import Clock
from storeweave.twinkit.lag import LaggingView
from storeweave.twinkit.landing import Landings


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What this shop insists on, and how it shows things."""

    unique_skus: bool = True  # over products and variants; a variant may have its own product's SKU
    unique_names: bool = True  # of products, and of brands without regard to case
    lossy: Lossy | None = None
    lists_channel: bool = False  # products show ``listing_state``
    shows_content: bool = False  # images show the hash of their bytes; else it has to be asked for by URL
    scan_omits: frozenset[str] = frozenset()  # collections of products that listings do not show
    silent: frozenset[str] = frozenset()  # changes that no hook tells: "image/deleted", "category/updated", ...
    clock_skew_s: float = 0.0  # how far the shop's own clock is ahead


class ShopState:
    """One store. ``clock`` and ``rng`` are all it knows of the world."""

    def __init__(
        self,
        name: str = "shop",
        *,
        clock: Clock,
        rng: random.Random | None = None,
        rules: Rules | None = None,
        notices: NoticeFaults | None = None,
        read_lag_s: float = 0.0,
        lag_share: float = 1.0,
        currency: str = "USD",
        first_key: int = 1,
    ) -> None:
        self.name = name
        self.account = name
        self.currency = currency
        self.clock = clock
        self.rules = rules or Rules()
        self.read_lag_s = read_lag_s
        rng = rng or random.Random(0)
        self.hooks = Hooks(shop=name, clock=clock, rng=random.Random(rng.random()), faults=notices)
        self.log = Log()
        self.records: dict[Kind, dict[Key, Record]] = {kind: {} for kind in Kind}
        self._order: dict[Kind, list[int]] = {kind: [] for kind in Kind}
        self._by_match: dict[Kind, dict[str, set[Key]]] = {kind: {} for kind in Kind}
        self._used_by: dict[tuple[Kind, Key], set[tuple[Kind, Key]]] = {}
        self._counters: dict[str, int] = {}
        self._first_key = first_key
        lag_rng = random.Random(rng.random())
        self._late_views: dict[Kind, LaggingView[Key, Record]] = {
            kind: LaggingView(lag_rng, lag_s=read_lag_s, share=lag_share) for kind in Kind
        }
        self._landings = Landings()
        self._landing = False

    # --- time -------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The shop's own clock."""
        return self.clock.now() + timedelta(seconds=self.rules.clock_skew_s)

    def touch(self) -> None:
        """Apply the effects and send the notices that are due by now."""
        if self._landings and not self._landing:
            self._landing = True
            try:
                self._landings.apply_due(self.clock.monotonic())
            finally:
                self._landing = False
        self.hooks.pump()

    @property
    def next_at(self) -> float | None:
        """Monotonic time at which ``touch`` has something to do; None: never."""
        times = [at for at in (self._landings.next_at, self.hooks.next_at) if at is not None]
        return min(times, default=None)

    def land_later(self, wait_s: float, effect: Callable[[], object]) -> None:
        """Let an effect take place later, whatever has happened to the shop by then; nobody hears what it refuses."""

        def land() -> None:
            try:
                effect()
            except RefusedError:
                return

        self._landings.add(self.clock.monotonic() + wait_s, land)

    # --- reading ----------------------------------------------------------------------------------------------------

    def look(self, kind: Kind, key: Key, *, late: bool = True) -> Record | None:
        """A record as a reader sees it now, maybe an older version; ``late`` False: as it is."""
        found = self._version(kind, key, late=late)
        return None if found is None else self._shown(found, late=late)

    def _version(self, kind: Kind, key: Key, *, late: bool) -> Record | None:
        current = self.records[kind].get(key)
        if late and self.read_lag_s:
            return self._late_views[kind].shown(key, current, self.clock.monotonic())
        return current

    def after(self, kind: Kind, key: Key | None) -> Iterator[Record]:
        """What readers see now, by growing key, from the one after ``key``; None: from the first."""
        order = self._order[kind]
        late = self._late_views[kind].late_keys(self.clock.monotonic()) if self.read_lag_s else []
        gone = [int(k) for k in late if k not in self.records[kind]]
        if gone:
            order = sorted({*order, *gone})
        start = 0 if key is None else bisect_right(order, int(key))
        for number in order[start:] if self.read_lag_s else (order[i] for i in range(start, len(order))):
            record = self.look(kind, Key(str(number)))
            if record is not None:
                yield record

    def count(self, kind: Kind) -> int:
        """How many records of a kind there are."""
        return len(self.records[kind])

    def search(self, kind: Kind, match: str) -> list[Record]:
        """Records that readers see with this natural identity, by growing key."""
        keys: set[Key] = set(self._by_match[kind].get(match, ()))
        if self.read_lag_s:
            keys.update(self._late_views[kind].late_keys(self.clock.monotonic()))
        if kind is Kind.CATEGORY and match.startswith("path:"):
            keys.update(self.records[kind])
        found = [self.look(kind, key) for key in sorted(keys, key=int)]
        return [record for record in found if record is not None and match in record.matches]

    def path(self, key: Key) -> str:
        """The path of a category as it is, as in its matches (``path_match``)."""
        record = self.records[Kind.CATEGORY].get(key)
        return "" if record is None else self._path(record, late=False)

    def _path(self, record: Record, *, late: bool) -> str:
        """From this version of it; a late reader sees older versions of those above it, too."""
        names: list[str] = []
        seen: set[Key] = set()
        step: Record | None = record
        while step is not None and step.key not in seen:
            seen.add(step.key)
            names.append(str(step.fields.get("name") or ""))
            parent = step.fields.get("parent")
            step = self._version(Kind.CATEGORY, Key(parent), late=late) if isinstance(parent, str) else None
        return path_match(names[::-1]).removeprefix("path:")

    def _shown(self, record: Record, *, late: bool = False) -> Record:
        """A record as it leaves the shop."""
        if record.kind is Kind.CATEGORY:
            return msgspec.structs.replace(record, matches=(f"path:{self._path(record, late=late)}",))
        images = record.parts.get("images")
        if images and not self.rules.shows_content:
            bare = {k: {n: v for n, v in f.items() if n != "content"} for k, f in images.items()}
            return msgspec.structs.replace(record, parts={**record.parts, "images": bare})
        return record

    # --- changing ---------------------------------------------------------------------------------------------------

    def create(
        self, kind: Kind, fields: Fields, parts: Mapping[str, PartsChange] | None = None, *, by: str = MERCHANT
    ) -> tuple[Record, PartKeys]:
        """A new record under the next key. Raises RefusedError: duplicate, missing-reference, invalid."""
        if not fields.get("name"):
            raise RefusedError(f"a {kind} needs a name", code="invalid")
        schema = SCHEMAS[kind]
        kept = stored(fields, schema.fields, self.rules.lossy)
        if kind is Kind.PRODUCT and self.rules.lists_channel:
            kept.setdefault("listing_state", None)
        every = {c: (parts or {}).get(c, PartsChange()) for c in schema.parts} | dict(parts or {})
        # Numbers are only used up by what is really made: a refused create leaves no trace.
        counters = dict(self._counters)
        try:
            new_parts, made = changed_parts(
                kind, {}, every, next_key=self._next_key, image_url=self._image_url, lossy=self.rules.lossy
            )
            record = self._made(kind, Key(self._next_key(kind)), kept, new_parts)
            self._refuse_clashes(record)
        except RefusedError:
            self._counters = counters
            raise
        self.put(record, by=by, verb="create", detail=tuple(sorted(fields)))
        return self._shown(record), made

    def set_fields(self, kind: Kind, key: Key, fields: Fields, *, by: str = MERCHANT) -> Record:
        """Overwrite these fields, whatever they hold now. Raises RefusedError: missing and those of ``create``."""
        old = self._existing(kind, key)
        schemas = SCHEMAS[kind].fields
        record = self._made(kind, key, {**old.fields, **stored(fields, schemas, self.rules.lossy)}, old.parts)
        if not record.fields.get("name"):
            raise RefusedError(f"a {kind} needs a name", code="invalid")
        self._refuse_clashes(record)
        self.put(record, by=by, verb="update", detail=tuple(sorted(fields)))
        return self._shown(record)

    def set_parts(
        self, kind: Kind, key: Key, changes: Mapping[str, PartsChange], *, by: str = MERCHANT
    ) -> tuple[Record, PartKeys]:
        """Create, overwrite and delete parts, all or nothing. Returns the keys of the new ones."""
        old = self._existing(kind, key)
        counters = dict(self._counters)
        try:
            parts, made = changed_parts(
                kind, old.parts, changes, next_key=self._next_key, image_url=self._image_url, lossy=self.rules.lossy
            )
            record = self._made(kind, key, old.fields, parts)
            self._refuse_clashes(record)
        except RefusedError:
            self._counters = counters
            raise
        detail = []
        for collection, change in changes.items():
            signs = zip("+~-", (change.create, change.update, change.delete), strict=True)
            detail += [f"{collection}{sign}" for sign, some in signs if some]
        self.put(record, by=by, verb="update", detail=tuple(detail))
        return self._shown(record), made

    def delete(self, kind: Kind, key: Key, *, by: str = MERCHANT) -> bool:
        """Remove a record and every reference to it; False when it isn't there.

        Raises RefusedError ``not-empty`` for a category with subcategories.
        """
        record = self.records[kind].get(key)
        if record is None:
            return False
        users = sorted(self._used_by.get((kind, key), ()), key=lambda user: (user[0], int(user[1])))
        if any(user[0] is Kind.CATEGORY for user in users):
            raise RefusedError(f"category {key} has subcategories", code="not-empty")
        for user_kind, user_key in users:
            if user_key != key or user_kind is not kind:
                self._drop_reference(user_kind, user_key, kind, key, by=by)
        self._index(record, add=False)
        self._remember(kind, key)
        del self.records[kind][key]
        order = self._order[kind]
        del order[bisect_right(order, int(key)) - 1]
        self._tell(Effect(at=self.clock.monotonic(), by=by, verb="delete", kind=kind, key=key, late=self._landing))
        return True

    def put(self, record: Record, *, by: str, verb: str, detail: tuple[str, ...]) -> None:
        """Make a checked record the current one."""
        old = self.records[record.kind].get(record.key)
        if old is None:
            insort(self._order[record.kind], int(record.key))
        else:
            self._index(old, add=False)
        self._remember(record.kind, record.key)
        self.records[record.kind][record.key] = record
        self._index(record, add=True)
        identity = str(record.fields.get("sku") or record.title)
        self._tell(
            Effect(
                at=self.clock.monotonic(),
                by=by,
                verb=verb,
                kind=record.kind,
                key=record.key,
                detail=detail,
                identity=self.path(record.key) if record.kind is Kind.CATEGORY else identity,
                late=self._landing,
            )
        )

    # --- inside -----------------------------------------------------------------------------------------------------

    def _next_key(self, what: str) -> str:
        number = self._counters.get(what, self._first_key)
        self._counters[what] = number + 1
        return str(number)

    def _image_url(self, key: str, content: str) -> str:
        return f"https://{self.name}.memory.invalid/images/{key}/{content}"

    def _existing(self, kind: Kind, key: Key) -> Record:
        record = self.records[kind].get(key)
        if record is None:
            raise RefusedError(f"{kind} {key} does not exist", code="missing")
        return record

    def _made(self, kind: Kind, key: Key, fields: Fields, parts: Mapping[str, Mapping[str, Fields]]) -> Record:
        return Record(
            kind=kind,
            key=key,
            fields=fields,
            parts=parts,
            matches=matches_of(kind, fields, parts),
            digest=digest_of(fields, parts, omit=self.rules.scan_omits),
            modified_at=self.now(),
            currency=self.currency if kind is Kind.PRODUCT else None,
            title=str(fields.get("name", "")),
        )

    def _refuse_clashes(self, record: Record) -> None:
        """Raise RefusedError when a record would break a rule that concerns others."""
        refuse_twins(record.parts)
        self._refuse_unknown_references(record)
        kind, index = record.kind, self._by_match[record.kind]
        for match in record.matches:
            sort, _, value = match.partition(":")
            if sort == "name":
                rivals = self._rivals_by_name(record, index.get(match, set()))
            elif self.rules.unique_skus:
                rivals = index.get(f"sku:{value}", set()) | index.get(f"variant-sku:{value}", set())
            else:
                continue
            if rivals - {record.key}:
                raise RefusedError(f"another {kind} has the {sort} {value}", code="duplicate")

    def _rivals_by_name(self, record: Record, same_name: set[Key]) -> set[Key]:
        if record.kind is not Kind.CATEGORY:
            return same_name if self.rules.unique_names else set()
        siblings = self.records[Kind.CATEGORY]
        return {k for k in same_name if siblings[k].fields.get("parent") == record.fields.get("parent")}

    def _refuse_unknown_references(self, record: Record) -> None:
        for kind, key in _references(record):
            if key not in self.records[kind]:
                raise RefusedError(f"{kind} {key} does not exist", code="missing-reference")
        step = record.fields.get("parent")
        while isinstance(step, str):
            if step == record.key:
                raise RefusedError(f"category {record.key} would be its own ancestor", code="invalid")
            step = self.records[Kind.CATEGORY][Key(step)].fields.get("parent")

    def _drop_reference(self, user_kind: Kind, user_key: Key, kind: Kind, key: Key, *, by: str) -> None:
        user = self.records[user_kind][user_key]
        fields = dict(user.fields)
        for name, used in _REFERENCES[user_kind].items():
            value = fields.get(name)
            if used is kind and isinstance(value, frozenset):
                fields[name] = frozenset(str(v) for v in value if v != key)
            elif used is kind and value == key:
                fields[name] = None
        self.put(self._made(user_kind, user_key, fields, user.parts), by=by, verb="update", detail=(f"-{kind}",))

    def _index(self, record: Record, *, add: bool) -> None:
        index = self._by_match[record.kind]
        me = (record.kind, record.key)
        for match in record.matches:
            (index.setdefault(match, set()).add if add else index[match].discard)(record.key)
        for used in _references(record):
            (self._used_by.setdefault(used, set()).add if add else self._used_by[used].discard)(me)

    def _remember(self, kind: Kind, key: Key) -> None:
        """Keep what is about to be replaced for late readers."""
        if self.read_lag_s:
            self._late_views[kind].note(key, self.records[kind].get(key), self.clock.monotonic())

    def _tell(self, effect: Effect) -> None:
        self.log.effects.append(effect)
        verb = {"create": "created", "update": "updated", "delete": "deleted"}[effect.verb]
        said = {f"{effect.kind}/{verb}"}
        if effect.detail and all(d.startswith("images") for d in effect.detail):
            said = {f"image/{ {'+': 'created', '~': 'updated', '-': 'deleted'}[d[-1]] }" for d in effect.detail}
        if said <= self.rules.silent:
            return
        event = Event.DELETED if effect.verb == "delete" else Event.CHANGED
        self.hooks.emit(effect.kind, effect.key, event, verb, self.now())


_REFERENCES: Mapping[Kind, Mapping[str, Kind]] = {
    kind: {name: field.kind for name, field in schema.fields.items() if field.kind is not None}
    for kind, schema in SCHEMAS.items()
}


def _references(record: Record) -> list[tuple[Kind, Key]]:
    """Other records that this one names."""
    found = []
    for name, kind in _REFERENCES[record.kind].items():
        value = record.fields.get(name)
        if isinstance(value, str):
            found.append((kind, Key(value)))
        elif isinstance(value, frozenset):
            found += [(kind, Key(str(v))) for v in value]
    return found
