"""Records as last read, the changes between them, and the outcomes of writing them.

A Record lives in the key space of one system: its ``key``, its references and the keys of its parts are that system's
ids. ``mapping`` carries a record from one key space into another.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from storeweave.model.errors import StoreweaveError
from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind

Value = str | int | bool | Decimal | None | frozenset[str] | frozenset[tuple[str, ...]]
Fields = Mapping[str, Value]
Parts = Mapping[str, Mapping[str, Fields]]
"""collection -> key of the part -> its fields"""

NEW = "+"
"""Prefix of the key of a part that the destination doesn't have yet: ``+`` and the source's key of it."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The canonical form of one remote thing as last read.

    Only fields that were read are present; a field that is absent is unknown and is never compared. A collection
    that is present in ``parts`` is complete: a part that is not in it does not exist.
    """

    kind: Kind
    key: Key
    fields: Fields
    parts: Parts = {}
    matches: tuple[str, ...] = ()  # natural identities: "sku:A-1", "variant-sku:A-1-RED", "name:acme", "path:a/b"
    digest: bytes = b""  # of what a scan shows of this record; equal digests mean nothing changed
    modified_at: datetime | None = None  # by the system's own clock
    currency: str | None = None
    title: str = ""  # for people


class PartsChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with one collection of parts. Keys are the destination's; new ones start with ``NEW``."""

    create: Mapping[str, Fields] = {}
    update: Mapping[str, Fields] = {}  # only the fields that differ
    delete: tuple[str, ...] = ()


class FieldChange(msgspec.Struct, frozen=True, array_like=True):
    """One line of history: ``path`` is a field, or ``collection/key/field``; a part as a whole is ``collection/key``.

    ``old`` and ``new`` are None for absent as well as for null; ``had`` and ``has`` tell them apart.
    """

    path: str
    old: Value
    new: Value
    had: bool = True
    has: bool = True


class Op(StrEnum):
    """What a change does to the destination's record as a whole."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The fewest fields that make one thing right, in the destination's key space.

    ``ref`` names the change in outcomes (it is the source's key). ``key`` is the destination's key, None for a
    create. ``wanted`` is the whole record as it should be in the end (its fields and parts in destination space),
    for connectors that must send a list whole; ``theirs`` is the destination's record as last known.
    """

    ref: Key
    kind: Kind
    op: Op
    key: Key | None = None
    fields: Fields = {}
    parts: Mapping[str, PartsChange] = {}
    wanted: Record | None = None
    theirs: Record | None = None
    lines: tuple[FieldChange, ...] = ()  # the same, for history


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one change.

    ``error`` None: everything was written. Otherwise it says what to do next, and ``part_keys`` and ``key`` still
    hold what is known to exist now. ``record`` is the destination's own view after the write where its answer shows
    it (possibly only some fields), which teaches us lossy fields without another read. ``calls`` are the vendor
    calls made for it, for ``explain``.
    """

    key: Key | None = None
    error: StoreweaveError | None = None
    record: Record | None = None
    part_keys: Mapping[str, Mapping[str, str]] = {}  # collection -> key in the change (``+12``) -> destination's key
    calls: tuple[str, ...] = ()


class Event(StrEnum):
    """What a notice says may have happened."""

    CHANGED = "changed"
    DELETED = "deleted"


class Cause(StrEnum):
    """How a notice came to us."""

    WEBHOOK = "webhook"
    POLL = "poll"
    SWEEP = "sweep"
    MANUAL = "manual"
    SECOND_LOOK = "second-look"  # the first read may have been too early (3.4)
    CONFIRM = "confirm"  # an earlier write may still land (3.1)
    REFERENCE = "reference"  # something else needs it
    RETRY = "retry"
    UNDO = "undo"
    DRIFT = "drift"  # the destination was seen to differ


CAUSE_RANK: Mapping[Cause, int] = {
    cause: rank
    for rank, causes in enumerate(
        (
            (Cause.WEBHOOK, Cause.POLL),
            (Cause.MANUAL, Cause.RETRY, Cause.UNDO),
            (Cause.SECOND_LOOK,),
            (Cause.CONFIRM,),
            (Cause.SWEEP, Cause.DRIFT, Cause.REFERENCE),
        )
    )
    for cause in causes
}
"""Which cause a dirty key keeps when another notice joins: the one that asks for more looks afterwards."""


class Priority(StrEnum):
    """Who goes first when calls are short. Compared by ``RANK``."""

    DELETE = "delete"
    PRICE = "price"
    NORMAL = "normal"
    IMAGE = "image"
    SWEEP = "sweep"


RANK: Mapping[Priority, int] = {p: i for i, p in enumerate(Priority)}


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A hint that a key may have changed; never the truth.

    ``delivery_id`` is unique per connection where the vendor gives one; a repeated one is stored once.
    """

    connection: ConnectionName
    kind: Kind
    key: Key
    cause: Cause
    event: Event = Event.CHANGED
    delivery_id: str | None = None
    topic: str = ""
    happened_at: datetime | None = None  # by the vendor's clock
    body_hash: bytes | None = None
    priority: Priority = Priority.NORMAL
    verify: bool = False  # read the destination too, even when the source shows nothing new
    run: int | None = None  # the run that asked for it


class FlowKey(msgspec.Struct, frozen=True, order=True, array_like=True):
    """One key in one flow: what a mark, a base and a line of history belong to."""

    flow: FlowName
    kind: Kind
    key: Key
