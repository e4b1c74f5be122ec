"""The contract of a connector: small, honest, declared (design section 4).

All verbs are async and in bulk. Errors are verdicts (``storeweave.model.errors``): raised when they concern the whole
call, returned per key where the vendor answers per key. A connector never sees the crosswalk, the bases or another
connector; it speaks canonical records in its own system's key space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Change, Notice, Outcome, Record
from storeweave.ports.permit import Permit


class KindAbilities(msgspec.Struct, frozen=True, kw_only=True):
    """What can be done with one kind in one system."""

    read_batch: int  # most keys in one ``read``; the engine passes at most this many
    write_batch: int  # most changes that the engine passes to one ``write``; the connector splits them into calls
    page: int  # records in one full page of ``scan``
    fields: frozenset[str] | None = None  # fields it stores; None: all of the kind's schema
    parts: frozenset[str] = frozenset()  # collections it stores
    read_only: frozenset[str] = frozenset()  # fields that it shows but does not take
    scan_omits: frozenset[str] = frozenset()  # collections that a scan cannot show; a read can
    has_hooks: bool = False  # tells by webhook when one changes
    has_feed: bool = False  # ``changed`` works
    can_write: bool = True
    can_delete: bool = True


class Abilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a system can do, so that the engine never asks for a vendor's name."""

    system: str
    kinds: Mapping[Kind, KindAbilities]
    concurrency: int = 4  # calls under way at once
    request_timeout_s: float = 30.0
    read_lag_s: float = 0.0  # longest time a read may show the state before a finished write; 0: reads its own writes
    late_landing_s: float = 60.0  # longest time after which a request that got no answer may still take effect
    feed_lag_s: float = 600.0  # how far ``changed`` must look back over its cursor
    hide_fields: Mapping[Kind, Mapping[str, bool | str]] = {}  # what hides a record: {"product": {"is_visible": False}}
    price_places: int = 4
    max_keys_per_account: Mapping[Kind, int] = {}


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Who is behind the credentials. ``fingerprint`` never changes for one account and differs between accounts."""

    fingerprint: str
    name: str
    currency: str | None = None
    base_url: str = ""
    missing_scopes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    clock_skew_s: float | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a listing. ``cursor`` None: this was the last. ``total``: the vendor's own count, if it gives one."""

    records: tuple[Record, ...]
    cursor: str | None = None
    total: int | None = None


class HookState(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook subscription as the vendor has it."""

    id: str
    scope: str
    destination: str
    is_active: bool
    is_ours: bool


class HookReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ensure_hooks`` did, by scope."""

    created: tuple[str, ...] = ()
    activated: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class HookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as it arrived: raw bytes, lower-case header names, what follows the secret in the path."""

    headers: Mapping[str, str]
    body: bytes
    path: str = ""


class Connector(Protocol):
    """A system that can be read and written."""

    @property
    def abilities(self) -> Abilities: ...

    async def check(self, permit: Permit) -> Account:
        """Try the credentials and say whose they are. Raises LaneBlockedError when they do not work."""

    async def scan(self, kind: Kind, cursor: str | None, permit: Permit) -> Page:
        """One page of all records of a kind, by ever-growing key; ``cursor`` is what the page before returned.

        Records of a scan may lack the collections in ``scan_omits``; their ``digest`` is the same that ``read`` gives.
        """

    async def changed(self, kind: Kind, since: datetime, cursor: str | None, permit: Permit) -> Page:
        """One page of the records changed at or after ``since`` by the system's own clock (kinds with ``has_feed``)."""

    async def read(self, kind: Kind, keys: Sequence[Key], permit: Permit) -> Mapping[Key, Record | None]:
        """The present state, whole, one entry per asked key; None only when the system says that it does not exist."""

    async def find(self, kind: Kind, matches: Sequence[str], permit: Permit) -> Mapping[str, Sequence[Record]]:
        """Records that carry any of these natural identities (``Record.matches``), by identity; several: ambiguous."""

    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        """Send changes and answer per ``Change.ref``, so that one bad row never spoils its neighbours.

        Every ref has an entry. Calls ``permit.check`` before each remote write. Raises only what concerns the whole
        lane: LaneBlockedError, LeaseLostError; everything else, also a failed call, is in the outcomes.
        """

    async def content_hash(self, url: str, permit: Permit) -> str:
        """SHA-256 (hex) of the bytes behind an image's ``url``. Raises RefusedError when they cannot be had."""


class HookedConnector(Connector, Protocol):
    """A system that tells of changes by webhook."""

    async def ensure_hooks(self, url: str, permit: Permit) -> HookReport:
        """Make the subscriptions what they should be: create, re-activate, move ours to ``url``. Foreign ones stay."""

    async def list_hooks(self, permit: Permit) -> Sequence[HookState]:
        """All subscriptions that these credentials can see."""

    async def remove_hooks(self, permit: Permit) -> int:
        """Remove ours and only ours; the number removed."""

    def receive(self, request: HookRequest, *, now: datetime) -> Sequence[Notice]:
        """Verify and translate. Empty when it is genuine and none of our business.

        Raises BadSignatureError for anything that is not proven genuine, BadRequestError for a malformed body.
        """
