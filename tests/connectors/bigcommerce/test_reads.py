"""What the connector shows of a store: complete, in the order of ids, with digests that mean what they say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from storeweave.connectors.bigcommerce.twin import Figures, TwinSettings
from storeweave.model.errors import LaneBlockedError, RefusedError, TransientError
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Record
from storeweave.ports.transport import Request, Response
from storeweave.twinkit.faults import FaultRates
from tests.connectors.bigcommerce.desk import choices
from tests.connectors.bigcommerce.seat import FREE, PICTURES, Seat, picture_hash


async def listed(seat: Seat, kind: Kind) -> list[Record]:
    found: list[Record] = []
    cursor: str | None = None
    while True:
        page = await seat.connector.scan(kind, cursor, FREE)
        found += page.records
        cursor = page.cursor
        if cursor is None:
            return found


# --- products --------------------------------------------------------------------------------


async def test_a_scan_shows_every_product_once_though_the_list_moves() -> None:
    seat = Seat(figures=Figures(products=600))
    first = await seat.connector.scan(Kind.PRODUCT, None, FREE)
    gone, kept = first.records[3], first.records[4]
    seat.merchant.do("DELETE", f"/catalog/products/{gone.key}")
    seat.merchant.create_product("Late", "LATE", 1)
    rest: list[Record] = []
    cursor = first.cursor
    while cursor is not None:
        page = await seat.connector.scan(Kind.PRODUCT, cursor, FREE)
        rest += page.records
        cursor = page.cursor
    keys = [int(record.key) for record in [*first.records, *rest]]
    assert keys == sorted(set(keys))
    assert len(keys) == 601
    assert int(kept.key) in keys


async def test_a_large_batch_is_read_whole_with_options_of_every_type() -> None:
    seat = Seat(figures=Figures(products=300, with_options=0.6))
    shown = await listed(seat, Kind.PRODUCT)
    keys = [record.key for record in shown[:250]]
    whole = await seat.connector.read(Kind.PRODUCT, keys, FREE)
    for record in shown[:250]:
        read = whole[record.key]
        assert read is not None
        assert read.digest == record.digest
        assert read.fields == record.fields
        entry = seat.twin.shop.entries[int(record.key)]
        assert {(o["name"], o["type"]) for o in read.parts["options"].values()} == {
            (option.display_name, option.type) for option in entry.options
        }
        values = read.parts["option_values"]
        used: set[str] = set()
        for variant in read.parts["variants"].values():
            chosen = variant["option_values"]
            assert isinstance(chosen, frozenset)
            used |= set(map(str, chosen))
        assert used <= set(values)


async def test_volatile_values_move_no_digest() -> None:
    seat = Seat()
    await seat.desk.create(variants=choices("red", "blue"))
    before = await seat.product("MUG")
    seat.desk.clock.push(60)
    seat.merchant.edit_product("MUG", view_count=7, price=12.5)
    after = await seat.product("MUG")
    assert after.digest == before.digest
    for variant in before.parts["variants"].values():
        assert not {"calculated_price", "sku_id", "product_id"} & variant.keys()


async def test_another_picture_under_the_same_address_is_seen() -> None:
    seat = Seat()
    await seat.desk.create()
    seat.merchant.add_image("MUG", "a")
    before = await seat.product("MUG")
    seat.merchant.delete_image("MUG")
    seat.merchant.add_image("MUG", "b")
    assert (await seat.product("MUG")).digest != before.digest


async def test_unset_and_inherited_prices_are_none() -> None:
    seat = Seat()
    await seat.desk.create(variants=choices("red"))
    record = await seat.product("MUG")
    for name in ("cost_price", "retail_price", "sale_price", "map_price", "brand"):
        assert record.fields[name] is None
    (variant,) = record.parts["variants"].values()
    assert (variant["price"], variant["cost_price"], variant["weight"]) == (None, None, None)
    assert record.fields["related"] == frozenset()


async def test_the_base_variant_is_a_part_only_when_it_says_something_of_its_own() -> None:
    seat = Seat()
    made = await seat.desk.create()
    assert (await seat.product("MUG")).parts["variants"] == {}
    base = made["base_variant_id"] or made["variants"][0]["id"]
    message = {"purchasing_disabled": True, "purchasing_disabled_message": "soon"}
    seat.merchant.do("PUT", f"/catalog/products/{made['id']}/variants/{base}", message)
    record = await seat.product("MUG")
    assert record.parts["variants"] == {str(base): {"option_values": frozenset(), **message}}


async def test_summed_stock_is_left_out_and_other_stock_is_shown() -> None:
    seat = Seat()
    await seat.desk.create(variants=choices("red"), inventory_tracking="variant")
    await seat.desk.create("Cup", "CUP", inventory_tracking="product", inventory_level=5)
    record = await seat.product("MUG")
    assert "inventory_level" not in record.fields
    assert all("inventory_level" in fields for fields in record.parts["variants"].values())
    assert (await seat.product("CUP")).fields["inventory_level"] == 5


async def test_matches_name_all_skus_once() -> None:
    seat = Seat()
    await seat.desk.create(variants=choices("red", "blue"))
    assert (await seat.product("MUG")).matches == (
        "sku:MUG",
        "variant-sku:MUG-red",
        "variant-sku:MUG-blue",
        "name:Mug",
    )


async def test_skus_are_found_whatever_their_case_and_signs() -> None:
    seat = Seat()
    for sku in ("A,B", "Ä&Ö+1", "100%#?", "plain"):
        await seat.desk.create(f"Product {sku}", sku)
    asked = ["sku:a,b", "sku:ä&ö+1", "sku:100%#?", "sku:PLAIN", "name:product PLAIN", "sku:no"]
    found = await seat.connector.find(Kind.PRODUCT, asked, FREE)
    assert {match: [r.fields["sku"] for r in records] for match, records in found.items()} == {
        "sku:a,b": ["A,B"],
        "sku:ä&ö+1": ["Ä&Ö+1"],
        "sku:100%#?": ["100%#?"],
        "sku:PLAIN": ["plain"],
        "name:product PLAIN": ["plain"],
        "sku:no": [],
    }


async def test_products_are_found_by_many_variant_skus_and_names() -> None:
    seat = Seat(figures=Figures(products=120))
    records = await listed(seat, Kind.PRODUCT)
    wanted = {match: record.key for record in records for match in record.matches if not match.startswith("sku:")}
    found = await seat.connector.find(Kind.PRODUCT, list(wanted), FREE)
    for match, key in wanted.items():
        assert key in [record.key for record in found[match]], match


async def test_what_is_no_id_is_not_there() -> None:
    seat = Seat()
    keys = [Key("abc"), Key(""), Key("-1"), Key("²")]
    for kind in Kind:
        assert dict(await seat.connector.read(kind, keys, FREE)) == dict.fromkeys(keys)


async def test_a_read_that_fails_is_no_absence() -> None:
    for fault in ("failed_before", "torn", "page", "error_200", "reset_before"):
        seat = Seat()
        await seat.desk.create()
        key = seat.merchant.product("MUG").product.id
        seat.twin.faults.set(FaultRates(**{fault: 1.0}))  # type: ignore[arg-type]
        for kind in Kind:
            with pytest.raises(TransientError):
                await seat.connector.read(kind, [Key(str(key))], FREE)
            with pytest.raises(TransientError):
                await seat.connector.scan(kind, None, FREE)


async def test_wrong_credentials_block_the_lane() -> None:
    seat = Seat(access_token="wrong")
    with pytest.raises(LaneBlockedError):
        await seat.connector.scan(Kind.PRODUCT, None, FREE)
    with pytest.raises(LaneBlockedError):
        await seat.connector.check(FREE)


# --- listings and the feed --------------------------------------------------------------------------------


async def test_the_listing_state_of_the_channel_is_shown() -> None:
    seat = Seat(channel_id=2)
    for sku in ("A", "B", "C"):
        await seat.desk.create(sku, sku)
    seat.merchant.set_listing("A", 2, "active")
    seat.merchant.set_listing("B", 2, "disabled")
    seat.merchant.set_listing("C", 1, "active")
    states = {r.fields["sku"]: r.fields["listing_state"] for r in await listed(seat, Kind.PRODUCT)}
    assert states == {"A": "active", "B": "disabled", "C": None}
    assert (await seat.product("B")).fields["listing_state"] == "disabled"


async def test_without_a_channel_there_is_no_listing_state() -> None:
    seat = Seat()
    await seat.desk.create()
    assert "listing_state" not in (await seat.product("MUG")).fields


async def test_the_feed_finds_listings_that_changed_without_their_products() -> None:
    seat = Seat(channel_id=2)
    for sku in ("A", "B", "C"):
        await seat.desk.create(sku, sku)
    seat.merchant.set_listing("A", 2, "active")
    before = await seat.product("A")
    seat.desk.clock.push(3600)
    since = seat.desk.clock.now() - timedelta(seconds=1)
    seat.merchant.set_listing("A", 2, "disabled")
    found: dict[Any, Record] = {}
    cursor: str | None = None
    while True:
        page = await seat.connector.changed(Kind.PRODUCT, since, cursor, FREE)
        found.update({record.fields["sku"]: record for record in page.records})
        cursor = page.cursor
        if cursor is None:
            break
    assert found.keys() == {"A"}
    assert found["A"].fields["listing_state"] == "disabled"
    assert found["A"].digest != before.digest
    assert found["A"].digest == (await seat.product("A")).digest


async def test_only_products_have_a_feed() -> None:
    seat = Seat()
    with pytest.raises(RefusedError):
        await seat.connector.changed(Kind.BRAND, seat.desk.clock.now(), None, FREE)


# --- categories and brands --------------------------------------------------------------------------------


async def test_a_large_tree_is_scanned_in_the_order_of_ids_with_paths() -> None:
    seat = Seat(figures=Figures(products=1, categories=700), tree_cache_s=60)
    records = await listed(seat, Kind.CATEGORY)
    keys = [int(record.key) for record in records]
    assert keys == sorted(set(keys))
    assert len(keys) == len(seat.twin.shop.categories)
    assert all(record.matches[0].startswith("path:") for record in records)
    assert seat.twin.calls.reads == -(-len(keys) // 250)


async def test_categories_of_one_name_have_different_paths() -> None:
    seat = Seat()
    for path in ("Home", "Garden", "Home > Cups", "Garden > Cups"):
        seat.merchant.create_category(path)
    matches = sorted(record.matches[0] for record in await listed(seat, Kind.CATEGORY))
    assert matches == ["path:garden", "path:garden/cups", "path:home", "path:home/cups"]
    found = await seat.connector.find(Kind.CATEGORY, ["path:home/cups", "path:cups"], FREE)
    assert [len(found[match]) for match in ("path:home/cups", "path:cups")] == [1, 0]


async def test_a_tree_that_moves_while_it_is_listed_is_listed_again() -> None:
    seat = Seat(figures=Figures(products=1, categories=300))
    moves = 0

    class Moving:
        async def send(self, request: Request, *, timeout_s: float) -> Response:
            nonlocal moves
            if "page=2" in request.url and moves < 2:
                moves += 1
                seat.merchant.create_category(f"New {moves}")
            return await inner.send(request, timeout_s=timeout_s)

    inner, seat.wire._inner = seat.wire._inner, Moving()
    records = await listed(seat, Kind.CATEGORY)
    assert len(records) == len(seat.twin.shop.categories)


async def test_a_tree_that_never_stands_still_is_not_believed() -> None:
    seat = Seat(figures=Figures(products=1, categories=300))
    made = 0

    class Moving:
        async def send(self, request: Request, *, timeout_s: float) -> Response:
            nonlocal made
            made += 1
            seat.merchant.create_category(f"New {made}")
            return await inner.send(request, timeout_s=timeout_s)

    inner, seat.wire._inner = seat.wire._inner, Moving()
    with pytest.raises(TransientError):
        await seat.connector.scan(Kind.CATEGORY, None, FREE)


async def test_one_category_is_read_with_its_path() -> None:
    seat = Seat()
    seat.merchant.create_category("Home")
    seat.merchant.create_category("Home > Cups")
    key = seat.merchant.create_category("Home > Cups > Tea")
    record = await seat.read(str(key), Kind.CATEGORY)
    assert record.matches == ("path:home/cups/tea",)
    assert record.title == "Home / Cups / Tea"


async def test_brands_are_scanned_by_pages_of_ids() -> None:
    seat = Seat(figures=Figures(products=1, brands=270))
    records = await listed(seat, Kind.BRAND)
    keys = [int(record.key) for record in records]
    assert keys == sorted(set(keys))
    assert len(keys) == len(seat.twin.shop.brands) > 250
    assert seat.twin.calls.reads == 2


# --- the account --------------------------------------------------------------------------------


async def test_the_account_is_known_with_its_currency_and_clock() -> None:
    seat = Seat(TwinSettings(currency="JPY", name="Loom"))
    account = await seat.connector.check(FREE)
    assert (account.name, account.currency, account.missing_scopes) == ("Loom", "JPY", ())
    assert account.clock_skew_s is not None
    assert abs(account.clock_skew_s) <= 1
    await seat.desk.create()
    assert (await seat.product("MUG")).currency == "JPY"


async def test_a_missing_scope_is_named() -> None:
    seat = Seat(channel_id=2)

    class Scopeless:
        async def send(self, request: Request, *, timeout_s: float) -> Response:
            if "/listings" in request.url:
                return Response(status=403, body=b'{"status": 403, "title": "You don\'t have a required scope"}')
            return await inner.send(request, timeout_s=timeout_s)

    inner, seat.wire._inner = seat.wire._inner, Scopeless()
    assert (await seat.connector.check(FREE)).missing_scopes == ("Channel Listings",)


# --- images --------------------------------------------------------------------------------


async def test_an_image_is_known_by_its_bytes() -> None:
    seat = Seat()
    assert await seat.connector.content_hash(f"{PICTURES}a", FREE) == picture_hash("a")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response(status=404), RefusedError),
        (Response(status=200, body=b""), RefusedError),
        (Response(status=200, body=b"x" * (8 * 1024 * 1024 + 1)), RefusedError),
        (Response(status=503), TransientError),
        (Response(status=429), TransientError),
        (Response(status=200, headers={"content-type": "text/html; charset=utf-8"}, body=b"<html>"), TransientError),
    ],
)
async def test_an_image_that_cannot_be_had_has_no_hash(answer: Response, error: type[Exception]) -> None:
    seat = Seat()

    class Says:
        async def send(self, request: Request, *, timeout_s: float) -> Response:
            assert "x-auth-token" not in request.headers
            return answer

    seat.wire._inner = Says()
    with pytest.raises(error):
        await seat.connector.content_hash("https://cdn.example/a.png", FREE)
    with pytest.raises(RefusedError):
        await seat.connector.content_hash("file:///etc/passwd", FREE)
