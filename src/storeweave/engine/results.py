"""What a batch has to say when it is over: collected here, stored in one transaction by the lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from storeweave.engine.backoff import BUG_TRIES, backoff_s
from storeweave.engine.safety import SafetyRules
from storeweave.model.errors import (
    LaneBlockedError,
    RateLimitedError,
    RefusedError,
    StoreweaveError,
    TransientError,
    UnknownOutcomeError,
)
from storeweave.model.kinds import ConnectionName, Key, Kind
from storeweave.model.records import Cause, Event, FlowKey, Notice, Priority
from storeweave.model.state import (
    Acceptance,
    BaseUpdate,
    ConflictRow,
    Done,
    Failed,
    HistoryRow,
    Mark,
    MarkRequest,
    MarkState,
    Settlement,
)

DAY = timedelta(days=1)
_SAFE_TO_TRY_AT_ONCE = 5.0


@dataclass(slots=True)
class Results:
    """Mutable while the batch runs."""

    rng: Random
    safety: SafetyRules
    source: ConnectionName
    lag_s: float = 0.0  # of the destination's reads: no look at a doubtful write is of use before
    bases: list[BaseUpdate] = field(default_factory=list)
    unlinked: list[FlowKey] = field(default_factory=list)
    tombstones: list[tuple[FlowKey, Key | None]] = field(default_factory=list)
    history: list[HistoryRow] = field(default_factory=list)
    conflicts: list[ConflictRow] = field(default_factory=list)
    intents_done: list[FlowKey] = field(default_factory=list)
    finished: list[Done] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    again: list[Acceptance] = field(default_factory=list)
    worked: list[FlowKey] = field(default_factory=list)
    written: int = 0
    transient: int = 0
    blocked: LaneBlockedError | None = None
    limited_s: float = 0.0
    dangling: set[tuple[Kind, Key]] = field(default_factory=set)  # referred to, but gone at the source
    refused_references: dict[FlowKey, str] = field(default_factory=dict)

    def undecided(self, marks: Sequence[Mark]) -> list[Mark]:
        """Those that have no verdict yet."""
        decided = {d.key for d in self.finished} | {f.key for f in self.failed}
        return [m for m in marks if m.key not in decided]

    def settlement(self) -> Settlement:
        """All of it, for the store."""
        return Settlement(
            bases=self.bases,
            unlinked=self.unlinked,
            tombstones=self.tombstones,
            history=self.history,
            conflicts=self.conflicts,
            intents_done=self.intents_done,
            done=self.finished,
            failed=self.failed,
            again=self.again,
            worked=self.worked,
        )

    def absorb(self, inner: Results, gone: Sequence[tuple[Kind, Key]]) -> None:
        """Take over what a batch of references did; its marks stand in no table and need no verdict."""
        self.bases += inner.bases
        self.history += inner.history
        self.conflicts += inner.conflicts
        self.intents_done += inner.intents_done
        self.again += inner.again
        self.worked += inner.worked
        self.written += inner.written
        self.transient += inner.transient
        self.blocked = self.blocked or inner.blocked
        self.limited_s = max(self.limited_s, inner.limited_s)
        self.dangling |= inner.dangling | set(gone)
        self.refused_references.update({f.key: f.reason or "" for f in inner.failed if f.state is MarkState.PARKED})

    def wait_for(self, mark: Mark, reason: str, now: datetime) -> None:
        """Something it refers to isn't there yet. Tried again for ever: the other thing has a mark or a reason."""
        self.later(mark, now, backoff_s(mark.attempts + 1, self.rng), reason, "reference")

    def done(self, mark: Mark) -> None:
        """Worked off; stays dirty if a newer notice has come."""
        self.finished.append(Done(key=mark.key, want=mark.want))

    def look_again(
        self,
        mark: Mark,
        at: datetime,
        now: datetime,
        cause: Cause,
        *,
        verify: bool = False,
        event: Event = Event.CHANGED,
    ) -> None:
        """Mark the key once more for later."""
        notice = Notice(
            connection=self.source,
            kind=mark.key.kind,
            key=mark.key.key,
            cause=cause,
            event=event,
            happened_at=mark.happened_at,
            priority=Priority.NORMAL,
            verify=verify,
            run=mark.run,
        )
        request = MarkRequest(key=mark.key, lane=mark.lane, due_at=at)
        self.again.append(Acceptance(notice=notice, received_at=now, marks=(request,)))

    def park(
        self,
        mark: Mark,
        reason: str,
        code: str,
        now: datetime,
        content: bytes | None = None,
        until: datetime | None = None,
    ) -> None:
        """Give it to a person; it un-parks itself on new content, new configuration, and once a day."""
        self.failed.append(
            Failed(
                key=mark.key,
                want=mark.want,
                due_at=until or now + DAY,
                state=MarkState.PARKED,
                attempts=mark.attempts,
                reason=reason,
                reason_code=code,
                content=content,
                verify=mark.verify,
            )
        )

    def hold(self, mark: Mark, brake: int, reason: str, now: datetime) -> None:
        """A brake tripped: wait for a person."""
        self.failed.append(
            Failed(
                key=mark.key,
                want=mark.want,
                due_at=now + timedelta(days=3650),
                state=MarkState.HELD,
                attempts=mark.attempts,
                reason=reason,
                reason_code="brake",
                brake=brake,
                verify=mark.verify,
            )
        )

    def later(
        self,
        mark: Mark,
        now: datetime,
        wait_s: float,
        reason: str,
        code: str,
        *,
        counted: bool = True,
        verify: bool = False,
    ) -> None:
        """Still dirty; try again in ``wait_s``, or when the destination shows what may have been written.

        The next try is the second look. A notice of its own would make the key due at once and forget its attempts.
        """
        self.again = [a for a in self.again if a.notice.cause is not Cause.SECOND_LOOK or a.marks[0].key != mark.key]
        if verify and self.lag_s:
            wait_s = max(wait_s, self.lag_s * 1.2)
        self.failed.append(
            Failed(
                key=mark.key,
                want=mark.want,
                due_at=now + timedelta(seconds=wait_s),
                attempts=mark.attempts + (1 if counted else 0),
                reason=reason,
                reason_code=code,
                verify=mark.verify or verify,
            )
        )

    def fail(self, mark: Mark, error: StoreweaveError, now: datetime, content: bytes | None = None) -> None:
        """Sort an error by what is done about it (semantics 3.2)."""
        reason = str(error)
        if isinstance(error, RateLimitedError):
            self.limited_s = max(self.limited_s, error.wait_s or 1.0)
            self.later(mark, now, error.wait_s or 1.0, reason, error.code, counted=False)
        elif isinstance(error, TransientError):
            self.transient += 1
            if not self.safety.transient_is_forever and mark.attempts >= 2:
                self.park(mark, reason, error.code, now, content)
                return
            unknown = isinstance(error, UnknownOutcomeError) and self.safety.look_before_repeating
            wait_s = error.wait_s if error.wait_s is not None else backoff_s(mark.attempts, self.rng)
            self.later(mark, now, wait_s, reason, error.code, verify=unknown)
        elif isinstance(error, LaneBlockedError):
            self.blocked = error
            self.later(mark, now, 1.0, reason, "blocked", counted=False)
        else:
            code = error.code if isinstance(error, RefusedError) else "refused"
            self.park(mark, reason, code, now, content)

    def bug(self, mark: Mark, error: Exception, now: datetime, trace: str) -> None:
        """An exception that is our own fault: five quick tries, then parked with a trace id."""
        reason = f"{type(error).__name__} in our own code (trace {trace}); the log has the details"
        if mark.attempts + 1 >= BUG_TRIES:
            self.park(mark, reason, "bug", now)
        else:
            self.later(mark, now, _SAFE_TO_TRY_AT_ONCE * 0.1 * (mark.attempts + 1), reason, "bug", verify=True)
