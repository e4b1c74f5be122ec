"""Our own state as values: marks, lanes, bases, crosswalk rows, history, runs, brakes. What the Store keeps.

Instants are aware UTC datetimes. ``want`` is the journal number of the newest notice for a key (semantics 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind, LaneName
from storeweave.model.records import Cause, FieldChange, FlowKey, Notice, Priority, Record, Value


class MarkState(StrEnum):
    """A mark is dirty until it is done, and then its row is gone.

    dirty -> (done: row removed) | dirty again with a later due time | parked | held.
    parked -> dirty: a newer notice, a changed configuration, the daily second chance, a person's retry.
    held -> dirty: the brake was released, or a newer notice.
    """

    DIRTY = "dirty"
    PARKED = "parked"
    HELD = "held"


class MarkRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A key to be made dirty by a notice."""

    key: FlowKey
    lane: LaneName
    due_at: datetime


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """One notice with the marks it makes, stored in one transaction."""

    notice: Notice
    received_at: datetime
    marks: Sequence[MarkRequest]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A dirty key."""

    key: FlowKey
    lane: LaneName
    want: int
    state: MarkState
    due_at: datetime
    first_at: datetime  # when it became dirty: lag is measured from here
    noticed_at: datetime  # when the newest notice came
    happened_at: datetime | None  # of the newest notice, by the source's clock
    attempts: int
    priority: Priority
    cause: Cause
    deleted: bool  # the newest notice said deleted
    verify: bool  # read the destination too
    run: int | None = None  # the run that asked for it
    allowed_brake: int | None = None  # a person let this key through this brake
    brake: int | None = None  # held by it
    reason: str | None = None
    reason_code: str | None = None
    content: bytes | None = None  # digest of the content that was refused


class LaneHold(msgspec.Struct, frozen=True, kw_only=True):
    """Proof that we own a lane: its epoch is the fence."""

    lane: LaneName
    epoch: int
    lease_s: float
    took_over: bool  # the previous owner's lease had run out with work in hand
    in_hand: tuple[FlowKey, ...] = ()  # what that owner may still be writing


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """What both sides last agreed on, for one key of one flow, in the destination's key space.

    ``wanted`` is what we wrote; ``lossy`` holds, by path, what the destination made of it where that differs.
    ``links`` are the parts: collection -> source's part key -> destination's part key. ``held`` are paths that a person
    undid: not written while the source still wants exactly that value. ``doubts`` are values that the destination
    showed right after a write and that its own way of storing does not explain: seen a second time, they are believed.
    """

    wanted: Record
    lossy: Mapping[str, Value] = {}
    links: Mapping[str, Mapping[str, str]] = {}
    held: Mapping[str, Value] = {}
    doubts: Mapping[str, Value] = {}
    source_digest: bytes = b""
    destination_digest: bytes = b""
    written_at: datetime | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the crosswalk."""

    key: FlowKey
    destination_key: Key
    how: str  # "sku", "variant-sku", "name", "path", "created", "explicit"
    sku: str | None
    title: str
    linked_at: datetime


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One applied change of one record, with everything ``explain`` and ``undo`` need."""

    key: FlowKey
    destination_key: Key | None
    op: str  # create, update, delete, hide, link, unlink, undo
    lines: tuple[FieldChange, ...]
    cause: Cause
    notice: int | None  # journal number
    run: int | None
    calls: tuple[str, ...]
    at: datetime
    lag_ms: int | None = None
    id: int | None = None


class ConflictRow(msgspec.Struct, frozen=True, kw_only=True):
    """Both sides changed one field (3.13)."""

    key: FlowKey
    path: str
    base: Value
    source: Value
    destination: Value
    choice: str  # source, destination, newest:source, newest:destination, ask
    actor: str
    at: datetime
    id: int | None = None


class BrakeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A guard that tripped: what it holds waits for a person."""

    flow: FlowName
    guard: str  # delete, price, zero-price, zero-stock, ...
    opened_at: datetime
    message: str
    held: int  # keys held now
    list_hash: str  # of the held keys; a release must name count and hash
    sample: tuple[str, ...]
    id: int


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One pass: a full sync, a sweep, a plan, an undo. ``cursor`` lets any worker go on where it stopped."""

    id: int
    flow: FlowName | None
    what: str  # full, sweep, verify, undo, plan, items
    state: str  # running, done, failed, cancelled
    started_at: datetime
    ended_at: datetime | None
    cursor: str | None
    counts: Mapping[str, int]
    note: str = ""


class ParkedCause(msgspec.Struct, frozen=True, kw_only=True):
    """Parked keys of one cause, for lists and metrics."""

    flow: FlowName
    reason_code: str
    count: int
    example: FlowKey
    reason: str


class ConnectionRow(msgspec.Struct, frozen=True, kw_only=True):
    """What we remember of a connection: the pinned account, and whether it may be used."""

    name: ConnectionName
    fingerprint: str | None
    account: str
    state: str  # active, paused, blocked, read-only
    reason: str
    changed_at: datetime


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A mark that was worked off: removed where ``want`` is still what was claimed."""

    key: FlowKey
    want: int


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A mark to be tried again, or parked, or held. Left alone where a newer notice has come meanwhile."""

    key: FlowKey
    want: int
    due_at: datetime
    state: MarkState = MarkState.DIRTY
    attempts: int = 0
    reason: str | None = None
    reason_code: str | None = None
    content: bytes | None = None
    brake: int | None = None
    verify: bool = False


class BaseUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """Store this base and its crosswalk row; ``link`` None keeps the row that is there."""

    key: FlowKey
    base: Base
    link: Link | None = None


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one batch changed, stored in one transaction under the lane's epoch."""

    bases: Sequence[BaseUpdate] = ()
    unlinked: Sequence[FlowKey] = ()  # base and crosswalk row go
    tombstones: Sequence[tuple[FlowKey, Key | None]] = ()
    history: Sequence[HistoryRow] = ()
    conflicts: Sequence[ConflictRow] = ()
    intents_done: Sequence[FlowKey] = ()
    done: Sequence[Done] = ()
    failed: Sequence[Failed] = ()
    again: Sequence[Acceptance] = ()  # further marks: second looks, confirm passes, references
    worked: Sequence[FlowKey] = ()  # all keys of the batch: marked again when the fence has moved


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """How many marks are in which state, for status and metrics."""

    flow: FlowName
    kind: Kind
    dirty: int
    backing_off: int
    parked: int
    held: int
    oldest_at: datetime | None
