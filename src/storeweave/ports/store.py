"""The Store: our own state in our own database. Coarse, in batches; every method is one transaction.

Two implementations of the SQL live behind it (SQLite, PostgreSQL), and one set of tests. Writes are durable when the
call returns (group commit: many callers may share one fsync). Nothing here calls the outside world.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind, LaneName
from storeweave.model.records import FlowKey
from storeweave.model.state import (
    Acceptance,
    Backlog,
    Base,
    BrakeRow,
    ConflictRow,
    ConnectionRow,
    HistoryRow,
    LaneHold,
    Link,
    Mark,
    MarkState,
    ParkedCause,
    RunRow,
    Settlement,
)


class JournalStore(Protocol):
    """Notices and marks (semantics 3.1)."""

    async def accept(self, items: Sequence[Acceptance]) -> Sequence[int | None]:
        """Store notices with their marks; the journal number of each, None where the delivery id was known already.

        A mark that exists gets ``want`` = the number, ``due_at`` = the earlier of both, attempts 0, the notice's cause,
        the more urgent priority, verify sticky, and becomes dirty again when it was parked or held.
        """

    async def due(self, lane: LaneName, now: datetime, limit: int) -> Sequence[Mark]:
        """Marks to work on: dirty or parked ones whose time has come; kinds in their order, then priority, then age.

        Category before brand before product (``Kind`` order), so that references exist. Claims write nothing.
        """

    async def next_due(self, lane: LaneName) -> datetime | None:
        """When the next mark of this lane comes due; None: there is none."""

    async def lanes_due(self, now: datetime) -> Sequence[LaneName]:
        """Lanes that have marks due, are not paused, and are owned by nobody (or by an expired lease)."""

    async def take_lane(
        self, lane: LaneName, holder: str, lease_s: float, *, exclusive: bool = False
    ) -> LaneHold | None:
        """Own the lane, or None when a live lease of another holder is on it. Raises the epoch.

        ``exclusive``: the caller has proof that no other process lives (single-process lock), so a live lease is taken,
        too. Lease times are the database's clock on PostgreSQL.
        """

    async def renew_lane(self, hold: LaneHold, in_hand: Sequence[FlowKey] | None = None) -> bool:
        """Extend the lease; False when the epoch moved. ``in_hand`` (not None) replaces what we are about to write."""

    async def release_lane(self, hold: LaneHold) -> None:
        """Give the lane back at once. Nothing happens when the epoch moved."""

    async def settle(self, hold: LaneHold, settlement: Settlement) -> bool:
        """Store a batch's results if the epoch is still ours. False: it moved; nothing was stored but new marks for all
        ``worked`` keys (their ``want`` raised, verify set), so that the new owner does them again.
        """

    async def mark_state(
        self, keys: Sequence[FlowKey], state: MarkState, *, due_at: datetime, reason_code: str | None = None
    ) -> int:
        """Move existing marks by hand (retry, release). The number moved."""

    async def marks(
        self,
        *,
        flow: FlowName | None = None,
        state: MarkState | None = None,
        reason_code: str | None = None,
        key: FlowKey | None = None,
        limit: int = 100,
        after: FlowKey | None = None,
    ) -> Sequence[Mark]:
        """Marks for people, in key order."""

    async def retry_parked(self, *, flow: FlowName | None, reason_code: str | None, now: datetime) -> int:
        """Make parked marks dirty and due. The number."""

    async def backlog(self, now: datetime) -> Sequence[Backlog]:
        """Counts by flow and kind."""

    async def parked_causes(self) -> Sequence[ParkedCause]:
        """Parked marks grouped by flow and reason code."""

    async def last_notice_at(self, connection: ConnectionName) -> datetime | None:
        """When the newest webhook notice of a connection came."""

    async def journal_tail(
        self, *, key: FlowKey | None = None, number: int | None = None, limit: int = 50
    ) -> Sequence[Mapping[str, object]]:
        """Journal rows for people, newest first (number, connection, kind, key, cause, event, topic, received_at)."""


class LedgerStore(Protocol):
    """Bases, crosswalk, history, conflicts, intents, tombstones."""

    async def bases(self, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> Mapping[Key, tuple[Link, Base]]:
        """What was agreed, for those keys that are linked."""

    async def links(self, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> Mapping[Key, Key]:
        """Source key -> destination key, for those that are linked."""

    async def links_back(self, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> Mapping[Key, Key]:
        """Destination key -> source key."""

    async def link_rows(
        self, flow: FlowName, kind: Kind, *, after: Key | None = None, limit: int = 100, text: str | None = None
    ) -> Sequence[Link]:
        """Crosswalk rows for people, in key order; ``text`` searches key, SKU and title."""

    async def linked_count(self, flow: FlowName, kind: Kind) -> int:
        """How many keys of a kind are linked."""

    async def put_bases(self, settlement: Settlement) -> None:
        """Store bases, links, history outside a lane (explicit link, undo bookkeeping)."""

    async def open_intents(self, items: Mapping[FlowKey, Sequence[str]], at: datetime) -> None:
        """Remember, before it is sent, that we are about to create these, under these natural identities."""

    async def intents(self, keys: Sequence[FlowKey]) -> Mapping[FlowKey, tuple[datetime, tuple[str, ...]]]:
        """Those of the keys that we may have created without knowing the outcome: since when, and as what."""

    async def open_intents_since(self, flow: FlowName, kind: Kind, before: datetime) -> Sequence[Key]:
        """Keys whose intents were opened before then and are still open; at most a thousand."""

    async def is_tombstone(self, keys: Sequence[FlowKey]) -> Sequence[FlowKey]:
        """Those of the keys that were believed deleted."""

    async def digests(self, flow: FlowName, kind: Kind, keys: Sequence[Key]) -> Mapping[Key, bytes]:
        """Digest of the source's record at the time of the base; the cheap comparison of a full pass."""

    async def destination_digests(
        self, flow: FlowName, kind: Kind, keys: Sequence[Key]
    ) -> Mapping[Key, tuple[Key, bytes]]:
        """By destination key: (source key, digest of the destination's record at the time of the base)."""

    async def seen(self, flow: FlowName, kind: Kind, keys: Sequence[Key], run: int, *, there: bool = False) -> None:
        """These linked source keys were in the source's listing of that run; ``there``: in the destination's."""

    async def unseen(
        self,
        flow: FlowName,
        kind: Kind,
        run: int,
        *,
        after: Key | None = None,
        limit: int = 1000,
        there: bool = False,
    ) -> Sequence[Key]:
        """Linked source keys that were not in that listing of that run."""

    async def missing_once(
        self, flow: FlowName, kind: Kind, keys: Sequence[Key], at: datetime
    ) -> Mapping[Key, datetime]:
        """Remember that a complete listing lacked these; when each was first found lacking (kept until seen again)."""

    async def history(
        self,
        *,
        flow: FlowName | None = None,
        key: FlowKey | None = None,
        run: int | None = None,
        since: datetime | None = None,
        ops: Sequence[str] | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[HistoryRow]:
        """Applied changes, newest first; ``before`` is a history id."""

    async def recent_writes(self, keys: Sequence[FlowKey], since: datetime) -> Mapping[FlowKey, Sequence[HistoryRow]]:
        """Writes of these keys since then, oldest first (ping-pong brake)."""

    async def count_ops(self, flow: FlowName, guard: str, since: datetime) -> int:
        """How many changes passed or were held by a guard in a rolling window (brakes)."""

    async def note_ops(self, flow: FlowName, guard: str, keys: Sequence[FlowKey], at: datetime) -> None:
        """Count changes against a guard; a key counts once per window."""

    async def conflicts(self, *, flow: FlowName | None = None, limit: int = 100) -> Sequence[ConflictRow]:
        """Conflicts, newest first."""

    async def find_keys(self, flow: FlowName | None, text: str) -> Sequence[Link]:
        """Links whose source key, destination key, or SKU equals ``text`` (any flow and kind), then by title prefix."""

    async def content_hashes(self, connection: ConnectionName, tokens: Sequence[str]) -> Mapping[str, str]:
        """Known SHA-256 by image version token (id and version or URL)."""

    async def put_content_hashes(self, connection: ConnectionName, hashes: Mapping[str, str]) -> None:
        """Remember them."""


class OperationStore(Protocol):
    """Brakes, runs, connections, settings, retention."""

    async def open_brake(self, flow: FlowName, guard: str, message: str, at: datetime) -> int:
        """The id of the open brake of this flow and guard, opened now if there is none."""

    async def brakes(self) -> Sequence[BrakeRow]:
        """Open brakes with what they hold."""

    async def release_brake(self, brake: int, *, count: int, list_hash: str, now: datetime) -> int:
        """Let what is held pass, if it still is exactly that count and hash; the number released.

        Raises RefusedError when it is not: the list changed since it was shown.
        """

    async def drop_brake(self, brake: int) -> int:
        """Give up what is held: its marks are removed, the destination keeps what it has. The number dropped."""

    async def start_run(self, flow: FlowName | None, what: str, at: datetime, note: str = "") -> int:
        """A new run."""

    async def save_run(
        self,
        run: int,
        *,
        cursor: str | None = None,
        counts: Mapping[str, int] | None = None,
        state: str | None = None,
        ended_at: datetime | None = None,
        note: str | None = None,
    ) -> None:
        """Progress of a run; None leaves a value alone, counts are added up."""

    async def runs(
        self, *, flow: FlowName | None = None, state: str | None = None, limit: int = 50
    ) -> Sequence[RunRow]:
        """Runs, newest first."""

    async def run(self, run: int) -> RunRow | None:
        """One run."""

    async def connection(self, name: ConnectionName) -> ConnectionRow | None:
        """What we remember of a connection."""

    async def put_connection(self, row: ConnectionRow) -> None:
        """Store it."""

    async def pause_lane(self, lane: LaneName, until: datetime | None, reason: str) -> None:
        """No work in this lane until then; None: go on."""

    async def lane_pauses(self) -> Mapping[LaneName, tuple[datetime, str]]:
        """Paused lanes."""

    async def get_value(self, name: str) -> str | None:
        """A small named value (cursors, flow configuration digests, boot serial)."""

    async def put_value(self, name: str, value: str) -> None:
        """Store it."""

    async def keep_value(self, name: str, value: str) -> str:
        """Store it unless there is one already; the value that holds, the same for everybody who asks."""

    async def purge(
        self, *, journal_before: datetime, history_before: datetime, tombstones_before: datetime, batch: int = 1000
    ) -> Mapping[str, int]:
        """Remove what retention no longer keeps, in batches; the numbers removed, by table.

        A journal row goes only when no mark still wants it. Leaves nothing of it in the write-ahead log.
        """


class Store(JournalStore, LedgerStore, OperationStore, Protocol):
    """All of it."""

    async def close(self) -> None:
        """Finish what is queued and close."""
