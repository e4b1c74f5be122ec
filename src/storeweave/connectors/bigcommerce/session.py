"""One ``write`` of the engine: what has become known of each change, and when to stop asking a silent store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from storeweave.connectors.bigcommerce.client import Answer, Client, Params
from storeweave.connectors.bigcommerce.verdicts import SYSTEM
from storeweave.model.errors import (
    LaneBlockedError,
    LeaseLostError,
    NotSentError,
    RefusedError,
    StoreweaveError,
    UnknownOutcomeError,
)
from storeweave.model.kinds import Key
from storeweave.model.records import Change, Fields, Outcome, Record
from storeweave.ports.permit import Permit

T = TypeVar("T")
SILENT_AFTER: Final = 3  # so many calls in a row without an answer: the rest is not even sent
LANE_WIDE = (LaneBlockedError, LeaseLostError)


class Tally:
    """What is known so far of one change. The first error stays; later steps of the change are then left out."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.key: Key | None = change.key
        self.error: StoreweaveError | None = None
        self.record: Record | None = None
        self.part_keys: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []

    @property
    def goes_on(self) -> bool:
        return self.error is None

    def fail(self, error: StoreweaveError) -> None:
        """A refusal of one part gives way to an error that asks for another look or another try."""
        if self.error is None or (isinstance(self.error, RefusedError) and not isinstance(error, RefusedError)):
            self.error = error

    def show_parts(self, collection: str, parts: Mapping[str, Fields]) -> None:
        """Add parts that an answer showed to what the outcome shows of the record."""
        before = self.record or Record(kind=self.change.kind, key=self.key or Key(""), fields={})
        shown = {**before.parts.get(collection, {}), **parts}
        self.record = msgspec.structs.replace(before, parts={**before.parts, collection: shown})

    def learn_part(self, collection: str, ours: str, theirs: str) -> None:
        self.part_keys.setdefault(collection, {})[ours] = theirs

    def part_key(self, collection: str, key: str) -> str | None:
        """The destination's key of a part of this change; None while it is not known to exist."""
        if not key.startswith("+"):
            return key
        return self.part_keys.get(collection, {}).get(key)

    def outcome(self) -> Outcome:
        return Outcome(
            key=self.key, error=self.error, record=self.record, part_keys=self.part_keys, calls=tuple(self.calls)
        )


class Session:
    """Sends the writes of one ``write``. Lane-wide errors go straight up; others are for the tallies to keep."""

    def __init__(self, client: Client, permit: Permit, changes: Iterable[Change]) -> None:
        self.client = client
        self.permit = permit
        self.tallies: dict[Key, Tally] = {change.ref: Tally(change) for change in changes}
        self._unanswered = 0

    def of(self, change: Change) -> Tally:
        return self.tallies[change.ref]

    def going_on(self, changes: Iterable[Change]) -> list[Change]:
        """Those that nothing has gone wrong with yet."""
        return [change for change in changes if self.tallies[change.ref].goes_on]

    async def send(
        self,
        tallies: Sequence[Tally],
        method: str,
        path: str,
        body: Any = None,
        params: Params = (),
        *,
        expect: Sequence[int] = (200, 201),
        template: str = "",
        size: int = 1,
    ) -> Answer:
        """One write call, noted in the ``calls`` of the changes that it was made for."""
        if self._unanswered >= SILENT_AFTER:
            raise NotSentError(f"not sent: {SYSTEM} did not answer the last {self._unanswered} calls")
        note = f"{method} {template or path}" + (f" ({size})" if size > 1 or isinstance(body, list) else "")
        try:
            answer = await self.client.write(method, path, self.permit, body, params, expect=expect)
        except StoreweaveError as error:
            silent = isinstance(error, NotSentError | UnknownOutcomeError)
            self._unanswered = self._unanswered + 1 if silent else 0
            _note(tallies, f"{note} -> {error.code}")
            raise
        self._unanswered = 0
        _note(tallies, f"{note} -> {answer.status}")
        return answer

    def decode(self, answer: Answer, decoder: msgspec.json.Decoder[T], what: str) -> T:
        return self.client.decoded_write(answer, decoder, what)

    def outcomes(self) -> Mapping[Key, Outcome]:
        return {ref: tally.outcome() for ref, tally in self.tallies.items()}


def missing(what: str, key: object) -> RefusedError:
    """The record to be changed is not there (any more)."""
    return RefusedError(f"{SYSTEM} has no {what} {key}", code="missing")


def may_be_missing(error: StoreweaveError) -> bool:
    """Whether a refused change may be refused because its record is not there: the batches don't say it clearly."""
    return isinstance(error, RefusedError) and error.code in {"invalid", "missing", "missing-reference", "conflict"}


def _note(tallies: Sequence[Tally], call: str) -> None:
    for tally in tallies:
        tally.calls.append(call)
