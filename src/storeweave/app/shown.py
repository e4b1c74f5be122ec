"""What people are shown: the shapes of answers of the HTTP API, and of ``--json`` on the command line.

Instants are UTC in ISO 8601; decimals are texts, so that no reader makes floats of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

PlannedOp = Literal["create", "update", "link", "delete", "hide", "park", "wait"]
Verdict = Literal["in agreement", "working", "waiting", "needs a person", "nothing configured"]


class Shown(BaseModel):
    """Base of everything that is shown. A newer server may show more: unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FlowStatus(Shown):
    """One flow now."""

    name: str
    source: str
    destination: str
    kinds: list[str]
    linked: dict[str, int] = Field(description="Records known on both sides, by kind.")
    dirty: int = Field(description="Keys that are worked on, or soon will be.")
    backing_off: int = Field(description="Keys that failed and wait for the next try.")
    parked: int = Field(description="Keys that need a person or new content.")
    held: int = Field(description="Keys held by a brake.")
    oldest_at: datetime | None = Field(description="Since when the oldest key is dirty.")
    lag_s: float = Field(description="Age of that key in seconds; 0 when nothing is dirty.")
    shadow: bool = False


class ConnectionStatus(Shown):
    """One connection now."""

    name: str
    system: str
    state: str = Field(description="active, paused, blocked, read-only, or unknown before the first contact.")
    reason: str = ""
    account: str = ""
    paused_until: datetime | None = None
    last_notice_at: datetime | None = Field(default=None, description="When its newest webhook came.")
    calls: int | None = Field(default=None, description="Calls made by this process since its start.")
    limited: int | None = Field(default=None, description="How often the vendor told this process to slow down.")
    calls_left: int | None = Field(default=None, description="What the vendor's window has left, if it says so.")


class Status(Shown):
    """The state of everything, on one screen."""

    version: str
    at: datetime
    verdict: Verdict
    flows: list[FlowStatus]
    connections: list[ConnectionStatus]
    brakes: int
    parked: int


class ItemRow(Shown):
    """One record of a flow."""

    flow: str
    kind: str
    key: str = Field(description="Its id at the source.")
    destination_key: str | None
    title: str
    sku: str | None
    how: str | None = Field(description="How it was linked: sku, variant-sku, name, path, created, explicit.")
    linked_at: datetime | None
    state: Literal["agrees", "dirty", "parked", "held"]
    reason: str | None = None
    reason_code: str | None = None
    due_at: datetime | None = Field(default=None, description="When it is looked at next.")
    attempts: int = 0
    cause: str | None = Field(default=None, description="Why it is looked at: webhook, sweep, second-look, ...")


class ItemPage(Shown):
    """Some records; ``next`` is the cursor of the page after it."""

    items: list[ItemRow]
    next: str | None = None


class Step(Shown):
    """One step of the way of a value."""

    step: Literal["notice", "rule", "source", "call", "answer", "now"]
    text: str
    at: datetime | None = None


class FieldStory(Shown):
    """Why a field at the destination is what it is."""

    path: str
    value: JsonValue = Field(description="What the destination should hold.")
    theirs: JsonValue = Field(description="What the destination made of it, as far as we know.")
    rule: str
    steps: list[Step] = []


class NoticeShown(Shown):
    """One notice of the journal."""

    number: int
    connection: str
    kind: str
    key: str
    cause: str
    event: str
    topic: str
    received_at: datetime
    happened_at: datetime | None = None
    delivery_id: str | None = None


class Explanation(Shown):
    """Everything that is known about one record."""

    item: ItemRow
    source: str
    destination: str
    fields: list[FieldStory]
    notices: list[NoticeShown]
    changes: list[HistoryEntry]
    conflicts: list[ConflictShown] = []


class LineShown(Shown):
    """One changed field. ``had`` and ``has`` tell a null from an absent value."""

    path: str
    old: JsonValue
    new: JsonValue
    had: bool
    has: bool


class HistoryEntry(Shown):
    """One applied change."""

    id: int
    flow: str
    kind: str
    key: str
    destination_key: str | None
    op: str
    lines: list[LineShown]
    cause: str
    notice: int | None
    run: int | None
    calls: list[str]
    at: datetime
    lag_ms: int | None


class HistoryPage(Shown):
    """Applied changes, newest first; ``next`` is the cursor of the page after it."""

    changes: list[HistoryEntry]
    next: str | None = None


class ConflictShown(Shown):
    """Both sides changed one field, and what was decided."""

    id: int
    flow: str
    kind: str
    key: str
    path: str
    base: JsonValue
    source: JsonValue
    destination: JsonValue
    choice: str
    actor: str
    at: datetime


class CauseShown(Shown):
    """Parked keys that share one cause."""

    flow: str
    code: str
    count: int
    reason: str
    example: str


class ParkedPage(Shown):
    """What is parked: causes with counts, and a page of the keys."""

    causes: list[CauseShown]
    items: list[ItemRow]
    next: str | None = None


class BrakeShown(Shown):
    """A guard that tripped. A release must name ``held`` and ``list_hash``."""

    id: int
    flow: str
    guard: str
    opened_at: datetime
    message: str
    held: int
    list_hash: str
    sample: list[str]


class RunShown(Shown):
    """One pass."""

    id: int
    flow: str | None
    what: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    counts: dict[str, int]
    note: str = ""


class SyncStarted(Shown):
    """What a request to synchronise began."""

    runs: list[int] = Field(default=[], description="Full passes, to be watched under /runs/{id}.")
    keys: list[str] = Field(default=[], description="Items that were marked, as flow/kind/key.")


class Counted(Shown):
    """How many were moved."""

    count: int


class PlannedChange(Shown):
    """What would be written for one record."""

    flow: str
    kind: str
    key: str
    title: str
    op: PlannedOp
    lines: list[LineShown] = []
    reason: str = ""


class PlanShown(Shown):
    """What a flow would do now. ``changes`` may be cut off; ``counts`` are whole."""

    flow: str
    counts: dict[str, int]
    changes: list[PlannedChange]
    cut_off: bool = False
    brakes: list[str] = Field(default=[], description="Guards that would trip, in words.")
    digest: str = Field(default="", description="Changes when the plan does; `apply --plan` wants it.")


class UndoneShown(Shown):
    """What became of one record in an undo."""

    flow: str
    kind: str
    key: str
    title: str
    restored: list[str]
    left: dict[str, str]


class UndoShown(Shown):
    """The result of an undo."""

    run: int
    items: list[UndoneShown]


class HookShown(Shown):
    """One subscription at a vendor."""

    connection: str
    id: str = ""
    scope: str
    destination: str = ""
    state: Literal["active", "inactive", "created", "activated", "moved", "removed", "kept", "foreign", "failed"]
    reason: str = ""


class CheckShown(Shown):
    """One thing that was checked."""

    name: str
    state: Literal["ok", "warning", "failed"]
    text: str
    remedy: str = ""


Explanation.model_rebuild()
