"""The part of the connector contract that is about writing: outcomes, parts, repeats, leave, exactness."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storeweave.model.errors import LeaseLostError, RefusedError
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Change, Op, Value
from storeweave.ports.permit import Permit
from tests import strategies
from tests.contract.samples import EDITS, brand, category, product, sample
from tests.contract.stage import FREE, Stage, creation, differences, natural_parts, removal, revision, with_hashes

GENERATED = settings(
    max_examples=25,
    deadline=None,
    # One suite is run by several subclasses, and its examples open accounts of their own.
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


class WritingContract:
    """Promises about what a connector makes of a change."""

    kinds: tuple[Kind, ...] = tuple(Kind)
    unknown_key = Key("987654321")

    async def open(self, account: str = "one") -> Stage:
        """An empty account; another name is another account of the same system."""
        raise AssertionError("a subclass opens an account")

    # --- what was asked for is there --------------------------------------------------------------------------------

    async def test_what_was_created_reads_back_as_wanted(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            wanted = stage.staged(sample(kind))
            (read,) = await stage.create(wanted)
            assert await differences(wanted, read, stage) == []

    async def test_every_field_can_be_changed_by_itself(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            (theirs,) = await stage.create(stage.staged(sample(kind)))
            for name, value in EDITS[kind].items():
                if name not in stage.writable(kind):
                    continue
                change = revision(theirs, {name: value})
                await stage.written(change)
                theirs = await stage.read(kind, theirs.key)
                assert change.wanted is not None
                assert await differences(change.wanted, theirs, stage) == [], name

    async def test_fields_of_many_records_change_in_one_batch(self) -> None:
        stage = await self.open()
        size = min(stage.able(Kind.PRODUCT).write_batch, 15)
        wanted = [stage.staged(product(f"Mug {i}", key=str(i), bare=True)) for i in range(size)]
        outcomes = await stage.written(*(creation(record) for record in wanted))
        made = [await stage.read(Kind.PRODUCT, outcome.key) for outcome in outcomes if outcome.key]
        assert len({record.key for record in made}) == size
        changes = [revision(record, {"price": Decimal(i) + Decimal("0.5")}) for i, record in enumerate(made)]
        await stage.written(*changes)
        prices = [(await stage.read(Kind.PRODUCT, record.key)).fields["price"] for record in made]
        assert prices == [Decimal(i) + Decimal("0.5") for i in range(size)]

    async def test_an_outcome_names_the_record_and_shows_nothing_that_is_not_there(self) -> None:
        stage = await self.open()
        (outcome,) = await stage.written(creation(stage.staged(product())))
        assert outcome.key is not None
        read = await stage.read(Kind.PRODUCT, outcome.key)
        if outcome.record is not None:
            shown = {n: v for n, v in outcome.record.fields.items() if n in stage.writable(Kind.PRODUCT)}
            assert shown == {n: read.fields.get(n) for n in shown}

    async def test_only_the_fields_of_a_change_are_touched(self) -> None:
        stage = await self.open()
        (theirs,) = await stage.create(stage.staged(product()))
        stale = revision(theirs, {"name": "Renamed"})
        await stage.written(revision(theirs, {"price": Decimal("7.25")}))
        await stage.written(stale)  # knows nothing of the new price
        read = await stage.read(Kind.PRODUCT, theirs.key)
        assert (read.fields["name"], read.fields["price"]) == ("Renamed", Decimal("7.25"))
        assert read.parts == theirs.parts

    async def test_a_field_can_be_emptied(self) -> None:
        stage = await self.open()
        filled: dict[str, Value] = {
            "sale_price": Decimal(3),
            "cost_price": Decimal(2),
            "description": "<p>x</p>",
            "search_keywords": "x",
            "meta_keywords": frozenset({"x", "y"}),
            "custom_fields": frozenset({("a", "b"), ("c", "d")}),
            "bulk_pricing": frozenset({("5", "0", "percent", "10")}),
        }
        (theirs,) = await stage.create(stage.staged(product(bare=True)))
        fields = {name: value for name, value in filled.items() if name in stage.writable(Kind.PRODUCT)}
        await stage.written(revision(theirs, fields))
        theirs = await stage.read(Kind.PRODUCT, theirs.key)
        assert {name: theirs.fields[name] for name in fields} == fields
        for name, value in fields.items():
            empty: Value = None if isinstance(value, Decimal) else "" if isinstance(value, str) else frozenset()
            await stage.written(revision(theirs, {name: empty}))
            theirs = await stage.read(Kind.PRODUCT, theirs.key)
            assert theirs.fields[name] == empty, name

    async def test_sets_gain_and_lose_single_elements(self) -> None:
        stage = await self.open()
        (theirs,) = await stage.create(stage.staged(product(bare=True)))
        rows = [("Material", "Clay"), ("Volume", "0.5 l"), ("Made in", "Łódź")]
        for chosen in ([0, 1], [1, 2], [0, 1, 2], [2]):
            wanted = frozenset(rows[i] for i in chosen)
            await stage.written(revision(theirs, {"custom_fields": wanted}))
            theirs = await stage.read(Kind.PRODUCT, theirs.key)
            assert theirs.fields["custom_fields"] == wanted

    async def test_references_are_set_changed_and_dropped(self) -> None:
        stage = await self.open()
        mugs, cups = await stage.create(*(stage.staged(sample(Kind.CATEGORY, i)) for i in (1, 2)))
        acme, other = await stage.create(*(stage.staged(sample(Kind.BRAND, i)) for i in (1, 2)))
        (theirs,) = await stage.create(stage.staged(product(bare=True)))
        for categories, brand_ in (({mugs.key}, acme.key), ({mugs.key, cups.key}, other.key), ({cups.key}, None)):
            wanted: dict[str, Value] = {"categories": frozenset(categories), "brand": brand_}
            await stage.written(revision(theirs, wanted))
            theirs = await stage.read(Kind.PRODUCT, theirs.key)
            assert {name: theirs.fields[name] for name in wanted} == wanted

    async def test_a_category_can_be_moved(self) -> None:
        stage = await self.open()
        one, other = await stage.create(*(stage.staged(sample(Kind.CATEGORY, i)) for i in (1, 2)))
        (below,) = await stage.create(stage.staged(category("Below", key="3", parent=one.key)))
        for parent in (other.key, None, one.key):
            await stage.written(revision(below, {"parent": parent}))
            below = await stage.read(Kind.CATEGORY, below.key)
            assert below.fields["parent"] == parent

    async def test_what_can_only_be_read_is_not_written(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            (theirs,) = await stage.create(stage.staged(sample(kind)))
            for name in sorted(stage.able(kind).read_only):
                (outcome,) = (await stage.write(revision(theirs, {name: "active"}))).values()
                assert outcome.error is None or isinstance(outcome.error, RefusedError)
                assert (await stage.read(kind, theirs.key)).fields.get(name) == theirs.fields.get(name)

    async def test_money_stays_exact(self) -> None:
        stage = await self.open()
        places = stage.connector.abilities.price_places
        prices = [Decimal(text) for text in ("0.01", "0.1", "19.99", "1234567.89", "33.3333", "0.0001", "100", "7.5")]
        exact = [p for p in prices if -int(p.as_tuple().exponent) <= places]
        (theirs,) = await stage.create(stage.staged(product(bare=True)))
        for price in exact:
            await stage.written(revision(theirs, {"price": price}))
            read = (await stage.read(Kind.PRODUCT, theirs.key)).fields["price"]
            assert isinstance(read, Decimal)
            assert str(read) == str(price)

    # --- parts ------------------------------------------------------------------------------------------------------

    async def test_outcomes_name_the_parts_that_were_made(self) -> None:
        stage = await self.open()
        wanted = stage.staged(product())
        (outcome,) = await stage.written(creation(wanted))
        assert outcome.key is not None
        read = await stage.read(Kind.PRODUCT, outcome.key)
        for collection, parts in wanted.parts.items():
            assert {new: outcome.part_keys[collection][f"+{new}"] for new in parts}.keys() == parts.keys(), collection
            assert set(outcome.part_keys[collection].values()) == set(read.parts[collection]), collection
        for new, key in outcome.part_keys["variants"].items():
            assert read.parts["variants"][key]["sku"] == wanted.parts["variants"][new.removeprefix("+")]["sku"]
        for new, key in outcome.part_keys["images"].items():
            url = str(read.parts["images"][key]["url"])
            hashed = await stage.connector.content_hash(url, FREE)
            assert hashed == wanted.parts["images"][new.removeprefix("+")]["content"]

    async def test_a_changed_part_keeps_its_key_and_leaves_the_others_alone(self) -> None:
        stage = await self.open()
        (theirs,) = await stage.create(stage.staged(product()))
        edits: dict[str, dict[str, Value]] = {
            "options": {"sort_order": 5},
            "option_values": {"label": "Renamed"},
            "variants": {"sku": "SKU-NEW", "price": Decimal("3.25")},
            "images": {"description": "renamed"},
        }
        for collection, fields in edits.items():
            if collection not in stage.able(Kind.PRODUCT).parts:
                continue
            before = theirs.parts[collection]
            key = min(before, key=int)
            await stage.written(revision(theirs, update={collection: {key: fields}}))
            theirs = await stage.read(Kind.PRODUCT, theirs.key)
            after = theirs.parts[collection]
            assert set(after) == set(before), collection
            assert after[key] == {**before[key], **fields}
            assert {k: f for k, f in after.items() if k != key} == {k: f for k, f in before.items() if k != key}

    async def test_deleting_a_part_deletes_only_that(self) -> None:
        stage = await self.open()
        (theirs,) = await stage.create(stage.staged(product()))
        for collection in ("variants", "images"):
            before = theirs.parts[collection]
            gone = max(before, key=int)
            await stage.written(revision(theirs, delete={collection: [gone]}))
            theirs = await stage.read(Kind.PRODUCT, theirs.key)
            assert theirs.parts[collection] == {k: f for k, f in before.items() if k != gone}
            assert len(theirs.parts["options"]) == 2

    async def test_parts_can_be_added_to_what_is_there(self) -> None:
        stage = await self.open()
        (theirs,) = await stage.create(stage.staged(product()))
        values = {f["label"]: key for key, f in theirs.parts["option_values"].items()}
        size = theirs.parts["option_values"][values["Large"]]["option"]
        change = revision(
            theirs,
            create={
                "option_values": {"+v": {"option": size, "label": "Huge", "sort_order": 2, "is_default": False}},
                "variants": {
                    "+a": {"sku": "SKU-LB", "option_values": frozenset({values["Large"], values["Blue"]})},
                    "+b": {"sku": "SKU-HB", "option_values": frozenset({"+v", values["Blue"]})},
                },
                "images": {"+i": {"url": stage.picture("d"), "content": stage.picture_hash("d"), "sort_order": 3}},
            },
        )
        (outcome,) = await stage.written(change)
        read = await stage.read(Kind.PRODUCT, theirs.key)
        made = {new: key for keys in outcome.part_keys.values() for new, key in keys.items()}
        assert read.parts["variants"][made["+b"]]["option_values"] == frozenset({made["+v"], values["Blue"]})
        assert read.parts["variants"][made["+a"]]["sku"] == "SKU-LB"
        assert {k: f for k, f in read.parts["variants"].items() if k in theirs.parts["variants"]} == (
            theirs.parts["variants"]
        )
        assert set(read.parts["images"]) == {*theirs.parts["images"], made["+i"]}

    async def test_the_thumbnail_can_be_moved(self) -> None:
        stage = await self.open()
        (theirs,) = await stage.create(stage.staged(product()))
        (old,) = [k for k, f in theirs.parts["images"].items() if f["is_thumbnail"]]
        new = max(k for k in theirs.parts["images"] if k != old)
        edits = {old: {"is_thumbnail": False}, new: {"is_thumbnail": True}}
        await stage.written(revision(theirs, update={"images": edits}))
        read = await stage.read(Kind.PRODUCT, theirs.key)
        assert [k for k, f in read.parts["images"].items() if f["is_thumbnail"]] == [new]

    async def test_a_whole_option_can_be_replaced(self) -> None:
        stage = await self.open()
        (theirs,) = await stage.create(stage.staged(product()))
        (gone,) = [k for k, f in theirs.parts["options"].items() if f["name"] == "Colour"]
        sizes = {str(f["label"]): k for k, f in theirs.parts["option_values"].items() if f["option"] != gone}
        change = revision(
            theirs,
            create={
                "options": {"+o": {"name": "Handle", "type": "dropdown", "sort_order": 1}},
                "option_values": {"+l": {"option": "+o", "label": "Left", "sort_order": 0, "is_default": False}},
                "variants": {"+1": {"sku": "H-SL", "option_values": frozenset({sizes["Small"], "+l"})}},
            },
            delete={
                "options": [gone],
                "option_values": [k for k, f in theirs.parts["option_values"].items() if f["option"] == gone],
                "variants": sorted(theirs.parts["variants"]),
            },
        )
        await stage.written(change)
        named = natural_parts(await with_hashes(await stage.read(Kind.PRODUCT, theirs.key), stage))
        assert set(named["options"]) == {"Size", "Handle"}
        assert {name: fields["sku"] for name, fields in named["variants"].items()} == {
            "Handle=Left, Size=Small": "H-SL"
        }

    # --- repeats and refusals ---------------------------------------------------------------------------------------

    async def test_writing_twice_is_the_same_as_once(self) -> None:
        stage = await self.open()
        (theirs,) = await stage.create(stage.staged(product()))
        images = sorted(theirs.parts["images"], key=int)
        change = revision(
            theirs,
            {"name": "Cup", "price": Decimal("5.55")},
            update={
                "variants": {min(theirs.parts["variants"], key=int): {"price": Decimal("6.66")}},
                "images": {images[0]: {"description": "again"}},
            },
            delete={"variants": [max(theirs.parts["variants"], key=int)], "images": [images[-1]]},
        )
        await stage.written(change)
        once = await stage.read(Kind.PRODUCT, theirs.key)
        await stage.written(change)
        twice = await stage.read(Kind.PRODUCT, theirs.key)
        assert (twice.digest, twice.fields, twice.parts) == (once.digest, once.fields, once.parts)

    async def test_deleting_twice_is_the_same_as_once(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            if stage.able(kind).can_delete:
                (theirs,) = await stage.create(stage.staged(sample(kind)))
                await stage.written(removal(kind, theirs.key))
                (outcome,) = (await stage.write(removal(kind, theirs.key))).values()
                assert outcome.error is None or outcome.error.code == "missing"

    async def test_creating_what_is_there_is_refused_as_duplicate(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            change = creation(stage.staged(sample(kind)))
            await stage.written(change)
            (outcome,) = (await stage.write(change)).values()
            assert isinstance(outcome.error, RefusedError)
            assert outcome.error.code == "duplicate"
            assert len(await stage.listed(kind)) == 1

    async def test_changing_what_is_not_there_is_refused_as_missing(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            ghost = stage.staged(sample(kind))
            change = Change(
                ref=Key("ghost"), kind=kind, op=Op.UPDATE, key=self.unknown_key, fields={"name": "Ghost"}, wanted=ghost
            )
            (outcome,) = (await stage.write(change)).values()
            assert isinstance(outcome.error, RefusedError)
            assert outcome.error.code == "missing"

    async def test_a_bad_row_spoils_no_neighbour(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            made = await stage.create(*(stage.staged(sample(kind, i)) for i in range(1, 4)))
            good = [revision(made[0], {"name": "First"}), revision(made[2], {"name": "Last"})]
            nameless = revision(made[1], {"name": ""})
            ghost = revision(made[1], {"name": "Ghost"})
            changes = [good[0], nameless, good[1], _to(ghost, self.unknown_key)]
            outcomes = await stage.write(*changes)
            assert set(outcomes) == {change.ref for change in changes}
            assert {ref for ref, outcome in outcomes.items() if outcome.error is None} == {c.ref for c in good}
            assert isinstance(outcomes[nameless.ref].error, RefusedError)
            names = [(await stage.read(kind, record.key)).fields["name"] for record in made]
            assert names == ["First", made[1].fields["name"], "Last"]

    async def test_a_bad_new_row_spoils_no_neighbour(self) -> None:
        stage = await self.open()
        for kind in self.kinds:
            wanted = [stage.staged(sample(kind, i)) for i in range(1, 4)]
            changes = [creation(wanted[0]), _nameless(creation(wanted[1])), creation(wanted[2])]
            outcomes = await stage.write(*changes)
            assert [outcomes[change.ref].error is None for change in changes] == [True, False, True]
            assert isinstance(outcomes[wanted[1].key].error, RefusedError)
            assert len(await stage.listed(kind)) == 2

    # --- leave ------------------------------------------------------------------------------------------------------

    async def test_leave_is_asked_before_each_write_that_leaves_us(self) -> None:
        stage = await self.open()
        asked: list[int] = []
        permit = Permit(check=lambda: asked.append(stage.remote_writes()))
        before = stage.remote_writes()
        (outcome,) = (await stage.write(creation(stage.staged(product())), permit=permit)).values()
        assert outcome.error is None
        sent = stage.remote_writes() - before
        assert sent > 0
        assert set(range(before, before + sent)) <= set(asked)

    async def test_nothing_is_written_any_more_when_leave_is_refused(self) -> None:
        allowed = 0
        while True:
            stage = await self.open()
            before = stage.remote_writes()
            permit = Permit(check=_allow(allowed))
            try:
                await stage.write(creation(stage.staged(product())), permit=permit)
            except LeaseLostError:
                assert stage.remote_writes() - before <= allowed
                allowed += 1
                continue
            assert allowed > 0
            return

    async def test_reading_needs_no_leave(self) -> None:
        stage = await self.open()
        (made,) = await stage.create(stage.staged(brand()))
        permit = Permit(check=_allow(0))
        assert (await stage.connector.read(Kind.BRAND, [made.key], permit))[made.key] is not None
        assert len((await stage.connector.scan(Kind.BRAND, None, permit)).records) == 1

    # --- anything that stores have ----------------------------------------------------------------------------------

    @GENERATED
    @given(data=st.data())
    async def test_any_product_reads_back_as_wanted(self, data: st.DataObject) -> None:
        stage = await self.open()
        fields = stage.writable(Kind.PRODUCT) & self.generated_fields
        product_ = data.draw(strategies.products(fields=fields, variant_fields=self.generated_variant_fields))
        wanted = stage.staged(product_)
        (read,) = await stage.create(wanted)
        assert await differences(wanted, read, stage) == []
        (listed,) = await stage.listed(Kind.PRODUCT)
        assert listed.digest == read.digest

    @GENERATED
    @given(data=st.data())
    async def test_any_product_can_become_any_other(self, data: st.DataObject) -> None:
        stage = await self.open()
        fields = stage.writable(Kind.PRODUCT) & self.generated_fields
        one, other = (stage.staged(data.draw(strategies.products(fields=fields, with_parts=False))) for _ in range(2))
        (theirs,) = await stage.create(one)
        await stage.written(revision(theirs, other.fields))
        assert await differences(other, await stage.read(Kind.PRODUCT, theirs.key), stage) == []

    @GENERATED
    @given(data=st.data())
    async def test_any_category_and_any_brand_read_back_as_wanted(self, data: st.DataObject) -> None:
        stage = await self.open()
        for kind, strategy in ((Kind.CATEGORY, strategies.categories), (Kind.BRAND, strategies.brands)):
            if kind in self.kinds:
                wanted = stage.staged(data.draw(strategy(fields=stage.writable(kind))))
                (read,) = await stage.create(wanted)
                assert await differences(wanted, read, stage) == []

    generated_fields: frozenset[str] = frozenset(EDITS[Kind.PRODUCT]) | {"type", "videos", "bulk_pricing"}
    """Fields of products that are drawn; those of other meaning in other systems are left to their own tests."""
    generated_variant_fields: frozenset[str] = frozenset(
        {"price", "sale_price", "retail_price", "weight", "upc", "mpn", "gtin", "purchasing_disabled"}
    )


def _allow(times: int) -> Callable[[], None]:
    """A check that passes so many times."""
    left = [times]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise LeaseLostError("the lease ended")

    return check


def _to(change: Change, key: Key) -> Change:
    """The same change of another record."""
    return Change(
        ref=Key(f"to{key}"),
        kind=change.kind,
        op=change.op,
        key=key,
        fields=change.fields,
        wanted=change.wanted,
        theirs=change.theirs,
    )


def _nameless(change: Change) -> Change:
    """The same creation without a name."""
    fields = {**change.fields, "name": ""}
    return Change(
        ref=change.ref, kind=change.kind, op=change.op, fields=fields, parts=change.parts, wanted=change.wanted
    )
