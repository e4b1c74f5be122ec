"""What becomes of changes at the store: parts in the right order, bad rows alone, nothing lost of what is known."""

from __future__ import annotations

from decimal import Decimal

import pytest

from storeweave.connectors.bigcommerce.twin import Figures, TwinSettings
from storeweave.model.errors import (
    LaneBlockedError,
    LeaseLostError,
    NotSentError,
    RateLimitedError,
    RefusedError,
    UnknownOutcomeError,
)
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Fields, PartsChange, Record, Value
from storeweave.ports.permit import Permit
from storeweave.twinkit.faults import FaultRates
from tests.connectors.bigcommerce.desk import choices
from tests.connectors.bigcommerce.seat import FREE, PICTURES, Seat, big_product, new, picture, removal, update

BARE: Fields = {"name": "Mug", "sku": "MUG", "price": Decimal("12.5"), "weight": Decimal(1)}


async def made(seat: Seat, sku: str = "BIG", labels: tuple[str, ...] = ("S", "M", "L"), images: int = 2) -> Record:
    (outcome,) = await seat.written(big_product(labels, sku=sku, images=images))
    assert outcome.key is not None
    record = await seat.read(outcome.key)
    seat.wire.calls.clear()
    seat.twin.calls.reset()
    return record


def sent(seat: Seat) -> list[str]:
    """Methods and last words of the paths of what was written."""
    return [
        f"{request.method} {request.url.partition('?')[0].rstrip('0123456789').rstrip('/').rpartition('/')[2]}"
        for request, _ in seat.wire.calls
        if request.method != "GET"
    ]


def labelled(record: Record) -> dict[str, str]:
    return {str(fields["label"]): key for key, fields in record.parts["option_values"].items()}


# --- creations --------------------------------------------------------------------------------


async def test_options_are_made_what_they_should_be_with_type_order_and_unused_values() -> None:
    seat = Seat()
    change = new(
        Kind.PRODUCT,
        "1",
        BARE,
        {
            "options": {
                "+c": {"name": "Colour", "type": "swatch", "sort_order": 5, "config": None},
                "+s": {"name": "Size", "type": "dropdown", "sort_order": 0},
            },
            "option_values": {
                "+r": {"option": "+c", "label": "Red", "sort_order": 1, "value_data": '{"colors":["#ff0000"]}'},
                "+b": {"option": "+c", "label": "Blue", "sort_order": 0, "value_data": '{"colors":["#0000ff"]}'},
                "+1": {"option": "+s", "label": "One", "sort_order": 0, "is_default": False},
                "+2": {"option": "+s", "label": "Two", "sort_order": 1, "is_default": False},
            },
            "variants": {"+v": {"sku": "MUG-R1", "option_values": frozenset({"+r", "+1"})}},
        },
    )
    (outcome,) = await seat.written(change)
    assert outcome.key is not None
    record = await seat.read(outcome.key)
    options = {str(f["name"]): f for f in record.parts["options"].values()}
    assert (options["Colour"]["type"], options["Colour"]["sort_order"]) == ("swatch", 5)
    values = {str(f["label"]): f for f in record.parts["option_values"].values()}
    assert set(values) == {"Red", "Blue", "One", "Two"}
    assert values["Blue"]["value_data"] == '{"colors":["#0000ff"]}'
    assert set(outcome.part_keys["option_values"]) == {"+r", "+b", "+1", "+2"}
    assert set(outcome.part_keys["option_values"].values()) == set(record.parts["option_values"])


async def test_an_image_that_cannot_be_fetched_costs_only_itself() -> None:
    seat = Seat()
    images: dict[str, Fields] = {
        "+a": {"url": f"{PICTURES}a", "sort_order": 0, "is_thumbnail": True},
        "+b": {"url": "https://gone.test/b.png", "sort_order": 1},
        "+c": {"url": f"{PICTURES}c", "sort_order": 2},
    }

    async def only_ours(url: str) -> bytes:
        if not url.startswith(PICTURES):
            raise OSError("no such host")
        return await picture(url)

    seat.twin._fetch = only_ours
    change = new(Kind.PRODUCT, "1", BARE, {"images": images})
    outcome = (await seat.write(change))[Key("1")]
    assert isinstance(outcome.error, RefusedError)
    assert outcome.error.code == "image"
    assert "gone.test" in str(outcome.error)
    assert outcome.key is not None
    assert set(outcome.part_keys["images"]) == {"+a", "+c"}
    assert len((await seat.read(outcome.key)).parts["images"]) == 2


async def test_a_product_saved_in_part_is_known_and_not_done() -> None:
    seat = Seat()
    await seat.desk.create("Other", "OTHER", custom_url={"url": "/mug/", "is_customized": True})
    outcome = (await seat.write(new(Kind.PRODUCT, "1", {**BARE, "url_path": "/mug/"})))[Key("1")]
    assert isinstance(outcome.error, RefusedError)
    assert outcome.error.code == "partial"
    assert outcome.key == str(seat.merchant.product("MUG").product.id)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"name": ""}, "invalid"),
        ({"name": "x" * 251}, "too-long"),
        ({"sku": "x" * 256}, "too-long"),
        ({"price": None}, "invalid"),
        ({"price": Decimal(-1)}, "invalid"),
        ({"price": "12"}, "invalid"),
        ({"upc": "x" * 15}, "too-long"),
        ({"brand": "acme"}, "missing-reference"),
        ({"custom_fields": frozenset({("a", "")})}, "invalid"),
        ({"custom_fields": frozenset({("a", "x" * 251)})}, "too-long"),
        ({"custom_fields": frozenset(("a", str(i)) for i in range(201))}, "too-many"),
        ({"categories": frozenset(map(str, range(1001)))}, "too-many"),
    ],
)
async def test_what_cannot_be_held_is_refused_before_it_is_sent(fields: dict[str, Value], code: str) -> None:
    seat = Seat()
    outcome = (await seat.write(new(Kind.PRODUCT, "1", {**BARE, **fields})))[Key("1")]
    assert isinstance(outcome.error, RefusedError)
    assert outcome.error.code == code
    assert seat.writes() == 0


async def test_too_many_variants_and_too_long_image_addresses_are_refused() -> None:
    seat = Seat()
    many = big_product([str(i) for i in range(601)], images=0)
    long = new(Kind.PRODUCT, "2", BARE, {"images": {"+1": {"url": PICTURES + "x" * 250}}})
    outcomes = await seat.write(many, long)
    assert {ref: o.error.code for ref, o in outcomes.items() if o.error} == {"BIG": "too-many", "2": "too-long"}
    assert seat.writes() == 0


async def test_prices_are_rounded_half_up_to_four_places() -> None:
    seat = Seat()
    (outcome,) = await seat.written(new(Kind.PRODUCT, "1", {**BARE, "price": Decimal("1.00005")}))
    assert outcome.key is not None
    assert (await seat.read(outcome.key)).fields["price"] == Decimal("1.0001")


# --- batches and errors -----------------------------------------------------------------------


async def test_one_bad_product_spoils_no_neighbour_and_its_price_is_right_afterwards() -> None:
    for saves_valid in (False, True):
        seat = Seat(TwinSettings(batch_saves_valid_items=saves_valid), figures=Figures(products=12))
        records = (await seat.connector.scan(Kind.PRODUCT, None, FREE)).records
        changes = [update(record, {"price": Decimal("5.5")}) for record in records]
        taken = records[3].fields["sku"]
        changes[7] = update(records[7], {"price": Decimal("5.5"), "sku": taken})
        outcomes = await seat.write(*changes)
        errors = {ref: outcome.error for ref, outcome in outcomes.items() if outcome.error}
        assert list(errors) == [changes[7].ref]
        error = errors[changes[7].ref]
        assert isinstance(error, RefusedError)
        assert error.code == "duplicate"
        prices = [entry.product.price for entry in seat.twin.shop.entries.values()]
        assert sum(price == Decimal("5.5") for price in prices) == 11


async def test_one_bad_variant_spoils_no_neighbour() -> None:
    seat = Seat()
    one, other = await made(seat, "P1"), await made(seat, "P2")
    first, second, third = one.parts["variants"]
    theirs = next(iter(other.parts["variants"]))
    changes = [
        update(one, variants=PartsChange(update={first: {"sku": "P2-S"}, second: {"price": Decimal(3)}})),
        update(other, variants=PartsChange(update={theirs: {"price": Decimal(4)}})),
    ]
    outcomes = await seat.write(*changes)
    assert outcomes[changes[1].ref].error is None
    error = outcomes[changes[0].ref].error
    assert isinstance(error, RefusedError)
    assert error.code == "duplicate"
    after = await seat.read(one.key)
    assert after.parts["variants"][second]["price"] == Decimal(3)
    assert third in after.parts["variants"]


async def test_one_bad_category_spoils_no_neighbour() -> None:
    seat = Seat()
    names = ["A", "B", "A", "C"]
    outcomes = await seat.write(
        *(new(Kind.CATEGORY, str(i), {"name": name, "parent": None}) for i, name in enumerate(names))
    )
    assert [outcomes[Key(str(i))].error is None for i in range(4)] == [True, True, False, True]
    error = outcomes[Key("2")].error
    assert isinstance(error, RefusedError)
    assert error.code == "duplicate"
    assert sorted(category.name for category in seat.twin.shop.categories.values()) == ["A", "B", "C"]


async def test_a_category_with_children_that_stay_is_not_deleted() -> None:
    seat = Seat()
    home = seat.merchant.create_category("Home")
    cups = seat.merchant.create_category("Home > Cups")
    tea = seat.merchant.create_category("Home > Cups > Tea")
    outcomes = await seat.write(removal(Kind.CATEGORY, str(home)), removal(Kind.CATEGORY, str(cups)))
    assert {o.error.code for o in outcomes.values() if o.error} == {"has-children"}
    assert len(seat.twin.shop.categories) == 3
    await seat.written(*(removal(Kind.CATEGORY, str(key)) for key in (home, cups, tea)))
    assert not seat.twin.shop.categories


async def test_a_category_can_move_and_become_a_root() -> None:
    seat = Seat()
    home, garden = seat.merchant.create_category("Home"), seat.merchant.create_category("Garden")
    cups = await seat.read(str(seat.merchant.create_category("Home > Cups")), Kind.CATEGORY)
    await seat.written(update(cups, {"parent": str(garden)}))
    assert (await seat.read(cups.key, Kind.CATEGORY)).matches == ("path:garden/cups",)
    await seat.written(update(cups, {"parent": None, "name": "Mugs"}))
    assert (await seat.read(cups.key, Kind.CATEGORY)).matches == ("path:mugs",)
    assert str(home) != cups.key


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("limited", RateLimitedError),
        ("overloaded", RateLimitedError),
        ("failed_before", UnknownOutcomeError),
        ("failed_after", UnknownOutcomeError),
        ("reset_before", UnknownOutcomeError),
        ("silent", UnknownOutcomeError),
        ("torn", UnknownOutcomeError),
        ("page", UnknownOutcomeError),
        ("error_200", UnknownOutcomeError),
    ],
)
async def test_no_doubtful_answer_is_taken_for_success_or_refusal(fault: str, error: type[Exception]) -> None:
    seat = Seat()
    product = await made(seat)
    (option,) = product.parts["options"]
    variant, image = next(iter(product.parts["variants"])), next(iter(product.parts["images"]))
    value = next(iter(product.parts["option_values"]))
    category = await seat.read(str(seat.merchant.create_category("Home")), Kind.CATEGORY)
    (brand_made,) = await seat.written(new(Kind.BRAND, "b", {"name": "Acme"}))
    assert brand_made.key is not None
    brand = await seat.read(brand_made.key, Kind.BRAND)
    changes = [
        update(product, {"price": Decimal(9)}),
        update(product, variants=PartsChange(update={variant: {"price": Decimal(8)}})),
        update(product, variants=PartsChange(delete=(variant,))),
        update(product, options=PartsChange(update={option: {"name": "Sizes"}})),
        update(product, option_values=PartsChange(update={value: {"label": "Tiny"}})),
        update(product, option_values=PartsChange(create={"+v": {"option": option, "label": "V", "sort_order": 5}})),
        update(product, images=PartsChange(update={image: {"description": "x"}})),
        update(product, images=PartsChange(create={"+i": {"url": f"{PICTURES}n"}})),
        update(product, images=PartsChange(delete=(image,))),
        removal(Kind.PRODUCT, product.key),
        new(Kind.PRODUCT, "n", BARE),
        update(category, {"name": "House"}),
        new(Kind.CATEGORY, "n", {"name": "N", "parent": None}),
        removal(Kind.CATEGORY, category.key),
        update(brand, {"name": "Ace"}),
        new(Kind.BRAND, "n", {"name": "N"}),
        removal(Kind.BRAND, brand.key),
    ]
    for change in changes:
        seat.twin.faults.set(FaultRates(**{fault: 1.0}, on="writes"))  # type: ignore[arg-type]
        outcome = (await seat.write(change))[change.ref]
        assert type(outcome.error) is error, f"{change.op} {change.kind} {change.parts}: {outcome.error!r}"
        assert outcome.calls
        seat.twin.faults.set(None)


async def test_a_store_that_is_silent_is_not_asked_for_everything() -> None:
    seat = Seat(concurrency=1)
    seat.twin.faults.outage = "reset"
    outcomes = await seat.write(*(new(Kind.PRODUCT, str(i), {**BARE, "sku": str(i)}) for i in range(50)))
    errors = [type(outcome.error) for outcome in outcomes.values()]
    assert errors.count(UnknownOutcomeError) == 3
    assert errors.count(NotSentError) == 47
    seat.twin.faults.outage = None
    await seat.written(new(Kind.PRODUCT, "x", BARE))


async def test_what_was_done_before_an_error_is_told() -> None:
    seat = Seat()
    seat.twin.faults.set(FaultRates(failed_before=1.0, on="writes", template="/options/"))
    change = big_product(["S", "M"])
    swatch: dict[str, Fields] = {"+o": {"name": "Size", "type": "swatch", "sort_order": 0}}
    assert change.wanted is not None
    parts = {c: dict(entries) for c, entries in change.wanted.parts.items()} | {"options": swatch}
    outcome = (await seat.write(new(Kind.PRODUCT, "1", change.fields, parts)))[Key("1")]
    assert isinstance(outcome.error, UnknownOutcomeError)
    assert outcome.key == str(seat.merchant.product("BIG").product.id)
    assert len(outcome.part_keys["variants"]) == 2
    assert len(outcome.part_keys["images"]) == 10
    assert outcome.calls[0] == "POST /catalog/products -> 200"


async def test_a_lost_lease_and_wrong_credentials_go_straight_up() -> None:
    def lost() -> None:
        raise LeaseLostError("somebody else")

    changes = [new(Kind.PRODUCT, str(i), {**BARE, "sku": str(i)}) for i in range(9)]
    seat = Seat()
    with pytest.raises(LeaseLostError):
        await seat.write(*changes, permit=Permit(check=lost))
    assert seat.writes() == 0
    reader = Seat(access_token="twin-read")
    for some in (
        changes,
        [new(Kind.CATEGORY, "1", {"name": "A", "parent": None})],
        [new(Kind.BRAND, "1", {"name": "A"})],
    ):
        with pytest.raises(LaneBlockedError):
            await reader.write(*some)


async def test_what_the_store_shows_after_a_write_is_handed_back() -> None:
    seat = Seat()
    await seat.desk.create(variants=choices("red"))
    product = await seat.product("MUG")
    (key,) = product.parts["variants"]
    change = update(
        product,
        {"price": Decimal("2.00005")},
        variants=PartsChange(update={key: {"image_url": f"{PICTURES}v"}}),
    )
    (outcome,) = await seat.written(change)
    assert outcome.record is not None
    assert outcome.record.fields["price"] == Decimal("2.0001")
    shown = outcome.record.parts["variants"][key]["image_url"]
    assert shown
    assert shown != f"{PICTURES}v"
    assert (await seat.product("MUG")).parts["variants"][key]["image_url"] == shown
    assert "images" not in outcome.record.parts


async def test_names_and_values_in_one_write_keep_their_own_outcomes() -> None:
    seat = Seat(figures=Figures(products=30))
    records = (await seat.connector.scan(Kind.PRODUCT, None, FREE)).records
    outcomes = await seat.write(
        *(update(record, {"price": Decimal(1)}) for record in records[:10]),
        *(removal(Kind.PRODUCT, record.key) for record in records[10:20]),
        *(new(Kind.PRODUCT, f"n{i}", {**BARE, "name": f"N{i}", "sku": f"N{i}"}) for i in range(10)),
    )
    assert len(outcomes) == 30
    assert all(outcome.error is None for outcome in outcomes.values())
    assert len({outcome.key for ref, outcome in outcomes.items() if ref.startswith("n")}) == 10
    assert len(seat.twin.shop.entries) == 30
