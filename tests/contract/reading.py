"""The part of the connector contract that is about reading: scans, feeds, single records, look-ups, digests."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storeweave.model.errors import RefusedError
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Record
from tests.contract.samples import EDITS, IMAGE_EDITS, VARIANT_EDITS, category, product, sample
from tests.contract.stage import FREE, PICTURES, Stage, creation, removal, revision


class ReadingContract:
    """Promises about what a connector shows."""

    kinds: tuple[Kind, ...] = tuple(Kind)
    unknown_key = Key("987654321")

    async def open(self, account: str = "one") -> Stage:
        """An empty account; another name is another account of the same system."""
        raise AssertionError("a subclass opens an account")

    async def test_a_key_that_is_not_there_reads_as_none(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            (there,) = await stage.create(stage.staged(sample(kind)))
            answer = await stage.connector.read(kind, [self.unknown_key, there.key], FREE)
            assert set(answer) == {self.unknown_key, there.key}
            assert answer[self.unknown_key] is None
            assert answer[there.key] == there

    async def test_reading_nothing_asks_nothing(self) -> None:
        stage = await self.open()
        assert dict(await stage.connector.read(Kind.PRODUCT, [], FREE)) == {}

    async def test_a_full_batch_can_be_read_at_once(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            size = min(stage.able(kind).read_batch, 60)
            made = await fill(stage, kind, size - 3)
            keys = made + [Key(str(int(self.unknown_key) + i)) for i in range(3)]
            await stage.settle()
            answer = await stage.connector.read(kind, keys, FREE)
            assert {key for key, record in answer.items() if record is not None} == set(made)
            assert set(answer) == set(keys)

    async def test_a_scan_shows_every_record_once_by_growing_key(self) -> None:
        for kind in self.kinds:
            stage = await self.open()
            made = await fill(stage, kind, 2 * stage.able(kind).page + 1)
            found = [int(r.key) for r in await stage.listed(kind)]
            assert found == sorted(set(found))
            assert set(found) == {int(key) for key in made}

    async def test_a_scan_misses_nothing_when_records_come_and_go_meanwhile(self) -> None:
        for kind in self.kinds:
            stage = await self.open()
            made = await fill(stage, kind, stage.able(kind).page + 3)
            await stage.settle()
            first = await stage.connector.scan(kind, None, FREE)
            assert first.cursor is not None
            seen = [record.key for record in first.records]
            await stage.written(removal(kind, seen[0]), removal(kind, seen[-1]))
            await stage.create(stage.staged(sample(kind, 999_999)))
            cursor: str | None = first.cursor
            while cursor is not None:
                page = await stage.connector.scan(kind, cursor, FREE)
                seen += [record.key for record in page.records]
                cursor = page.cursor
            assert len(seen) == len(set(seen))
            assert set(made) <= set(seen)

    async def test_a_scan_of_nothing_ends_at_once(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            page = await stage.connector.scan(kind, None, FREE)
            assert (page.records, page.cursor) == ((), None)
            assert page.total in {None, 0}

    async def test_a_listing_that_counts_counts_right(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            await fill(stage, kind, 3)
            await stage.settle()
            assert (await stage.connector.scan(kind, None, FREE)).total in {None, 3}

    async def test_scan_and_read_agree(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            made = await stage.create(stage.staged(sample(kind, 1)), stage.staged(sample(kind, 2)))
            listed = {record.key: record for record in await stage.listed(kind)}
            for record in made:
                shown = listed[record.key]
                assert shown.digest == record.digest != b""
                assert shown.fields == record.fields
                assert {*shown.parts} == {*record.parts} - stage.able(kind).scan_omits

    async def test_records_that_differ_have_different_digests(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            one, other = await stage.create(stage.staged(sample(kind, 1)), stage.staged(sample(kind, 2)))
            assert one.digest != other.digest

    async def test_a_digest_changes_with_every_field_that_is_compared(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            (before,) = await stage.create(stage.staged(sample(kind)))
            for name, value in EDITS[kind].items():
                if name in stage.writable(kind):
                    before = await self.changed_by(stage, before, name, revision(before, {name: value}))

    async def test_a_digest_changes_with_the_parts(self) -> None:
        stage = await self.open()
        (before,) = await stage.create(stage.staged(product()))
        shown = stage.able(Kind.PRODUCT).parts - stage.able(Kind.PRODUCT).scan_omits
        for collection, edits in (("variants", VARIANT_EDITS), ("images", IMAGE_EDITS)):
            for name, value in edits.items() if collection in shown else ():
                key = min(before.parts[collection], key=int)
                edit = revision(before, update={collection: {key: {name: value}}})
                before = await self.changed_by(stage, before, f"{collection}.{name}", edit)
            if collection in shown:
                gone = revision(before, delete={collection: [max(before.parts[collection], key=int)]})
                before = await self.changed_by(stage, before, f"deleted {collection}", gone)

    async def changed_by(self, stage: Stage, before: Record, what: str, change: object) -> Record:
        """Write one edit and see the digest change; the record after it."""
        await stage.written(change)  # type: ignore[arg-type]
        after = await stage.read(before.kind, before.key)
        assert after.digest != before.digest, what
        return after

    async def test_a_digest_stays_when_nothing_was_changed(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            (before,) = await stage.create(stage.staged(sample(kind)))
            await stage.written(revision(before, {"name": before.fields["name"]}))
            await stage.create(stage.staged(sample(kind, 2)))
            assert (await stage.read(kind, before.key)).digest == before.digest

    async def test_records_are_found_by_each_of_their_identities(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            made = await stage.create(stage.staged(sample(kind, 1)), stage.staged(sample(kind, 2)))
            identities = {match: record for record in made for match in record.matches}
            assert identities, f"a {kind} has no natural identity"
            answer = await stage.connector.find(kind, sorted(identities), FREE)
            assert {match: [r.key for r in found] for match, found in answer.items()} == {
                match: [record.key] for match, record in identities.items()
            }

    async def test_a_product_is_found_by_its_skus_and_its_name(self) -> None:
        stage = await self.open()
        (made,) = await stage.create(stage.staged(product("Tea cup", sku="CUP-1")))
        expected = ["sku:CUP-1", "name:Tea cup"]
        expected += ["variant-sku:CUP-1-LR"] if "variants" in stage.able(Kind.PRODUCT).parts else []
        assert set(expected) <= set(made.matches)

    async def test_a_category_is_found_by_its_path(self) -> None:
        stage = await self.open()
        (root,) = await stage.create(stage.staged(category("Kitchen")))
        (below,) = await stage.create(stage.staged(category("Mugs / Cups", key="2", parent=root.key)))
        (twin,) = await stage.create(stage.staged(category("Mugs / Cups", key="3")))
        assert below.matches == (r"path:kitchen/mugs \/ cups",)
        assert twin.matches == (r"path:mugs \/ cups",)
        answer = await stage.connector.find(Kind.CATEGORY, below.matches, FREE)
        assert [r.key for r in answer[below.matches[0]]] == [below.key]

    async def test_what_nobody_has_is_not_found(self) -> None:
        stage = await self.open()
        await stage.create(stage.staged(product()))
        asked = ["sku:NOBODY", "name:Nobody", "variant-sku:NOBODY"]
        answer = await stage.connector.find(Kind.PRODUCT, asked, FREE)
        assert {match: list(answer.get(match, ())) for match in asked} == {match: [] for match in asked}

    async def test_a_deleted_record_is_gone_everywhere(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            if not stage.able(kind).can_delete:
                continue
            gone, left = await stage.create(stage.staged(sample(kind, 1)), stage.staged(sample(kind, 2)))
            await stage.written(removal(kind, gone.key))
            await stage.settle()
            assert (await stage.connector.read(kind, [gone.key], FREE))[gone.key] is None
            assert [r.key for r in await stage.listed(kind)] == [left.key]
            assert not (await stage.connector.find(kind, gone.matches[:1], FREE)).get(gone.matches[0])

    async def test_the_feed_tells_what_changed_since(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            if not stage.able(kind).has_feed:
                continue
            one, other = await stage.create(stage.staged(sample(kind, 1)), stage.staged(sample(kind, 2)))
            assert one.modified_at is not None
            assert other.modified_at is not None
            since = min(one.modified_at, other.modified_at) - timedelta(seconds=1)
            page = await stage.connector.changed(kind, since, None, FREE)
            assert {r.key for r in page.records} == {one.key, other.key}
            assert {r.digest for r in page.records} == {one.digest, other.digest}
            later = max(one.modified_at, other.modified_at) + timedelta(days=1)
            assert (await stage.connector.changed(kind, later, None, FREE)).records == ()

    async def test_the_bytes_of_an_image_are_known_by_their_hash(self) -> None:
        stage = await self.open()
        for letter in PICTURES[:2]:
            url = stage.picture(letter)
            assert await stage.connector.content_hash(url, FREE) == stage.picture_hash(letter)
        with pytest.raises(RefusedError):
            await stage.connector.content_hash("nothing", FREE)

    async def test_an_account_has_one_fingerprint_for_ever(self) -> None:
        stage, other = await self.open("one"), await self.open("two")
        first = await stage.connector.check(FREE)
        assert first.fingerprint
        assert (await stage.connector.check(FREE)).fingerprint == first.fingerprint
        assert (await other.connector.check(FREE)).fingerprint != first.fingerprint


async def fill(stage: Stage, kind: Kind, count: int) -> list[Key]:
    """Make that many plain records in full batches; their keys."""
    plain = [
        product(f"Thing {i}", key=str(i), bare=True) if kind is Kind.PRODUCT else sample(kind, i) for i in range(count)
    ]
    size, made = stage.able(kind).write_batch, list[Key]()
    for start in range(0, count, size):
        outcomes = await stage.written(*(creation(stage.staged(record)) for record in plain[start : start + size]))
        made += [outcome.key for outcome in outcomes if outcome.key is not None]
    return made
