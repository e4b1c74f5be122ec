"""The contract suite is worth its time: each of these broken connectors is caught by the promise that it breaks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from storeweave.connectors.memory.connector import Limits, MemoryConnector
from storeweave.connectors.memory.hooks import Body
from storeweave.connectors.memory.state import Rules
from storeweave.model.errors import TransientError
from storeweave.model.kinds import ConnectionName, Key, Kind
from storeweave.model.records import Cause, Change, Fields, Notice, Outcome, PartsChange, Record
from storeweave.ports.connector import Account, HookRequest, Page
from storeweave.ports.permit import Permit
from tests.connectors.memory.test_contract import memory_stage
from tests.contract.stage import Stage
from tests.contract.suite import HookedConnectorContract

changed = msgspec.structs.replace


class ForgetsUnknownKeys(MemoryConnector):
    async def read(self, kind: Kind, keys: Sequence[Key], permit: Permit) -> Mapping[Key, Record | None]:
        return {key: record for key, record in (await super().read(kind, keys, permit)).items() if record}


class CountsInFloats(MemoryConnector):
    async def read(self, kind: Kind, keys: Sequence[Key], permit: Permit) -> Mapping[Key, Record | None]:
        found = await super().read(kind, keys, permit)
        return {key: record and changed(record, fields=_floated(record.fields)) for key, record in found.items()}


def _floated(fields: Fields) -> Fields:
    return {n: Decimal(float(v)) if isinstance(v, Decimal) else v for n, v in fields.items()}


class CountsWritesInItsDigest(MemoryConnector):
    async def read(self, kind: Kind, keys: Sequence[Key], permit: Permit) -> Mapping[Key, Record | None]:
        found = await super().read(kind, keys, permit)
        return {
            k: r and changed(r, digest=r.digest + str(len(self.shop.log.effects)).encode()) for k, r in found.items()
        }


class HasOneDigestForAll(MemoryConnector):
    async def read(self, kind: Kind, keys: Sequence[Key], permit: Permit) -> Mapping[Key, Record | None]:
        found = await super().read(kind, keys, permit)
        return {key: record and changed(record, digest=b"same") for key, record in found.items()}


class PagesByOffset(MemoryConnector):
    async def scan(self, kind: Kind, cursor: str | None, permit: Permit) -> Page:
        every, start = list(self.shop.after(kind, None)), int(cursor or 0)
        end = start + self.limits.page
        return Page(records=tuple(every[start:end]), cursor=str(end) if end < len(every) else None)


class ShowsTheLastOfAPageAgain(MemoryConnector):
    async def scan(self, kind: Kind, cursor: str | None, permit: Permit) -> Page:
        page = await super().scan(kind, cursor, permit)
        return changed(page, cursor=page.records[-2].key) if page.cursor else page


class AsksNobody(MemoryConnector):
    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        return await super().write(kind, changes, Permit(priority=permit.priority))


class AsksOnlyOnce(MemoryConnector):
    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        permit.check()
        return await super().write(kind, changes, Permit(priority=permit.priority))


class LosesNeighboursOfABadRow(MemoryConnector):
    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        outcomes = await super().write(kind, changes, permit)
        if any(outcome.error for outcome in outcomes.values()):
            return {ref: changed(outcome, error=TransientError("batch")) for ref, outcome in outcomes.items()}
        return outcomes


class ForgetsTheBadRow(MemoryConnector):
    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        outcomes = await super().write(kind, changes, permit)
        return {ref: outcome for ref, outcome in outcomes.items() if outcome.error is None}


class KeepsPartKeysToItself(MemoryConnector):
    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        outcomes = await super().write(kind, changes, permit)
        return {ref: changed(outcome, part_keys={}) for ref, outcome in outcomes.items()}


class WritesAllItKnows(MemoryConnector):
    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        whole = [changed(c, fields={**c.wanted.fields, **c.fields}) if c.wanted else c for c in changes]
        return await super().write(kind, whole, permit)


class CannotEmpty(MemoryConnector):
    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        filled = [changed(c, fields={n: v for n, v in c.fields.items() if v not in (None, "")}) for c in changes]
        return await super().write(kind, filled, permit)


class MakesImagesAnew(MemoryConnector):
    """As the program that came before us did: delete all images, create all images."""

    async def write(self, kind: Kind, changes: Sequence[Change], permit: Permit) -> Mapping[Key, Outcome]:
        anew = []
        for change in changes:
            images = change.wanted.parts.get("images", {}) if change.wanted and "images" in change.parts else {}
            again = PartsChange(create={f"+{k}": f for k, f in images.items()}, delete=tuple(images))
            anew.append(changed(change, parts={**change.parts, "images": again}) if images else change)
        return await super().write(kind, anew, permit)


class IsOneAccountForAll(MemoryConnector):
    async def check(self, permit: Permit) -> Account:
        return Account(fingerprint="memory", name="memory")


class BelievesEveryRequest(MemoryConnector):
    def receive(self, request: HookRequest, *, now: datetime) -> Sequence[Notice]:
        try:
            key = Key(msgspec.json.decode(request.body, type=Body).key)
        except msgspec.DecodeError:
            return ()
        return (Notice(connection=ConnectionName("x"), kind=Kind.PRODUCT, key=key, cause=Cause.WEBHOOK),)


Test = Callable[[Any], Awaitable[None]]
_Suite = HookedConnectorContract
BROKEN: list[tuple[type[MemoryConnector], Test]] = [
    (ForgetsUnknownKeys, _Suite.test_a_key_that_is_not_there_reads_as_none),
    (CountsInFloats, _Suite.test_money_stays_exact),
    (CountsInFloats, _Suite.test_every_field_can_be_changed_by_itself),
    (CountsWritesInItsDigest, _Suite.test_scan_and_read_agree),
    (CountsWritesInItsDigest, _Suite.test_a_digest_stays_when_nothing_was_changed),
    (HasOneDigestForAll, _Suite.test_records_that_differ_have_different_digests),
    (HasOneDigestForAll, _Suite.test_a_digest_changes_with_every_field_that_is_compared),
    (HasOneDigestForAll, _Suite.test_a_digest_changes_with_the_parts),
    (PagesByOffset, _Suite.test_a_scan_misses_nothing_when_records_come_and_go_meanwhile),
    (ShowsTheLastOfAPageAgain, _Suite.test_a_scan_shows_every_record_once_by_growing_key),
    (AsksNobody, _Suite.test_leave_is_asked_before_each_write_that_leaves_us),
    (AsksOnlyOnce, _Suite.test_leave_is_asked_before_each_write_that_leaves_us),
    (AsksNobody, _Suite.test_nothing_is_written_any_more_when_leave_is_refused),
    (LosesNeighboursOfABadRow, _Suite.test_a_bad_row_spoils_no_neighbour),
    (LosesNeighboursOfABadRow, _Suite.test_a_bad_new_row_spoils_no_neighbour),
    (ForgetsTheBadRow, _Suite.test_a_bad_row_spoils_no_neighbour),
    (KeepsPartKeysToItself, _Suite.test_outcomes_name_the_parts_that_were_made),
    (WritesAllItKnows, _Suite.test_only_the_fields_of_a_change_are_touched),
    (CannotEmpty, _Suite.test_a_field_can_be_emptied),
    (MakesImagesAnew, _Suite.test_a_changed_part_keeps_its_key_and_leaves_the_others_alone),
    (MakesImagesAnew, _Suite.test_writing_twice_is_the_same_as_once),
    (IsOneAccountForAll, _Suite.test_an_account_has_one_fingerprint_for_ever),
    (BelievesEveryRequest, _Suite.test_a_changed_body_is_refused),
    (BelievesEveryRequest, _Suite.test_a_missing_or_changed_signature_is_refused),
    (BelievesEveryRequest, _Suite.test_a_request_of_another_account_is_refused),
    (BelievesEveryRequest, _Suite.test_a_request_from_long_ago_or_from_the_future_is_refused),
]


@pytest.mark.parametrize(("broken", "promise"), BROKEN, ids=lambda one: getattr(one, "__name__", str(one)))
async def test_a_broken_connector_is_caught(broken: type[MemoryConnector], promise: Test) -> None:
    class Suite(HookedConnectorContract):
        async def open(self, account: str = "one") -> Stage:
            return memory_stage(account, make=broken)

    with pytest.raises((AssertionError, KeyError, pytest.fail.Exception)):
        await promise(Suite())


@pytest.mark.parametrize("promise", list(dict.fromkeys(promise for _, promise in BROKEN)), ids=lambda one: one.__name__)
async def test_the_same_promises_are_kept_by_a_sound_one(promise: Test) -> None:
    class Suite(HookedConnectorContract):
        async def open(self, account: str = "one") -> Stage:
            return memory_stage(account)

    await promise(Suite())


async def test_a_shop_that_takes_everything_twice_is_caught() -> None:
    class Suite(HookedConnectorContract):
        async def open(self, account: str = "one") -> Stage:
            return memory_stage(account, rules=Rules(unique_names=False, unique_skus=False))

    with pytest.raises(AssertionError):
        await Suite().test_creating_what_is_there_is_refused_as_duplicate()


async def test_a_false_claim_about_pages_is_caught() -> None:
    class Suite(HookedConnectorContract):
        async def open(self, account: str = "one") -> Stage:
            stage = memory_stage(account, limits=Limits(page=3))
            abilities = stage.connector.abilities
            kinds = {kind: changed(able, page=2) for kind, able in abilities.kinds.items()}
            stage.connector._abilities = changed(abilities, kinds=kinds)  # type: ignore[attr-defined]
            return stage

    with pytest.raises(AssertionError):
        await Suite().test_a_scan_shows_every_record_once_by_growing_key()
