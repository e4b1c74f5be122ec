"""What each kind of change costs in calls: the least that the API allows."""

from decimal import Decimal

from storeweave.connectors.bigcommerce.twin import Figures
from storeweave.model.kinds import Kind
from storeweave.model.records import Fields, PartsChange, Record
from tests.connectors.bigcommerce.seat import FREE, PICTURES, Seat, big_product, new, removal, update

LABELS = [f"S{i:02}" for i in range(20)]


async def big(seat: Seat, sku: str = "BIG") -> Record:
    """The product of the issue: 20 variants and 10 images."""
    (made,) = await seat.written(big_product(LABELS, sku=sku))
    assert made.key is not None
    record = await seat.read(made.key)
    seat.twin.calls.reset()
    return record


async def test_a_whole_new_product_is_one_call() -> None:
    seat = Seat()
    (outcome,) = await seat.written(big_product(LABELS))
    assert seat.twin.calls.by_route == {"POST /v3/catalog/products": 1}
    assert outcome.calls == ("POST /catalog/products -> 200",)


async def test_one_price_or_description_is_one_call() -> None:
    seat = Seat()
    product = await big(seat)
    await seat.written(update(product, {"price": Decimal("11.5")}))
    assert seat.twin.calls.by_route == {"PUT /v3/catalog/products": 1}
    await seat.written(update(product, {"description": "<p>New</p>", "is_visible": False}))
    assert (seat.twin.calls.writes, seat.twin.calls.reads) == (2, 0)


async def test_one_variant_price_is_one_call() -> None:
    seat = Seat()
    product = await big(seat)
    key = next(iter(product.parts["variants"]))
    change = PartsChange(update={key: {"price": Decimal("3.3333")}})
    (outcome,) = await seat.written(update(product, variants=change))
    assert (seat.twin.calls.writes, seat.twin.calls.reads) == (1, 0)
    assert outcome.calls == ("PUT /catalog/variants (1) -> 200",)
    assert (await seat.read(product.key)).parts["variants"][key]["price"] == Decimal("3.3333")


async def test_one_new_image_is_one_call() -> None:
    seat = Seat()
    product = await big(seat)
    image: Fields = {"url": f"{PICTURES}new", "sort_order": 10, "is_thumbnail": False, "description": "new"}
    (outcome,) = await seat.written(update(product, images=PartsChange(create={"+n": image})))
    assert (seat.twin.calls.writes, seat.twin.calls.reads) == (1, 0)
    assert outcome.part_keys["images"]["+n"] in (await seat.read(product.key)).parts["images"]


async def test_a_new_thumbnail_is_one_call() -> None:
    seat = Seat()
    product = await big(seat)
    old, new_one = list(product.parts["images"])[:2]
    change = PartsChange(update={old: {"is_thumbnail": False}, new_one: {"is_thumbnail": True}})
    await seat.written(update(product, images=change))
    assert seat.writes() == 1
    images = (await seat.read(product.key)).parts["images"]
    assert [key for key, fields in images.items() if fields["is_thumbnail"]] == [new_one]


async def test_one_new_variant_with_a_new_value_is_two_calls() -> None:
    seat = Seat()
    product = await big(seat)
    (option,) = product.parts["options"]
    value: Fields = {"option": option, "label": "Huge", "sort_order": 20, "is_default": False}
    change = update(
        product,
        option_values=PartsChange(create={"+v": value}),
        variants=PartsChange(create={"+n": {"sku": "BIG-HUGE", "option_values": frozenset({"+v"})}}),
    )
    await seat.written(change)
    assert (seat.twin.calls.writes, seat.twin.calls.reads) == (2, 0)


async def test_ten_changed_products_are_one_call() -> None:
    seat = Seat(figures=Figures(products=10))
    page = await seat.connector.scan(Kind.PRODUCT, None, FREE)
    seat.twin.calls.reset()
    await seat.written(*(update(record, {"price": Decimal("7.77")}) for record in page.records))
    assert seat.twin.calls.by_route == {"PUT /v3/catalog/products": 1}


async def test_variants_of_many_products_share_calls() -> None:
    seat = Seat()
    products = [await big(seat, f"P{i}") for i in range(3)]
    changes = [
        update(product, variants=PartsChange(update={key: {"price": Decimal(9)} for key in product.parts["variants"]}))
        for product in products
    ]
    seat.twin.calls.reset()
    await seat.written(*changes)
    assert seat.twin.calls.by_route == {"PUT /v3/catalog/variants": 2}  # 60 variants, 50 to a call


async def test_one_changed_custom_field_is_one_write() -> None:
    seat = Seat()
    rows = frozenset({("Colour", "red"), ("Size", "L")})
    (made,) = await seat.written(new(Kind.PRODUCT, "1", {"name": "A", "sku": "A", "price": 1, "custom_fields": rows}))
    assert made.key is not None
    product = await seat.read(made.key)
    seat.twin.calls.reset()
    await seat.written(update(product, {"custom_fields": frozenset({("Colour", "blue"), ("Size", "L")})}))
    assert (seat.twin.calls.writes, seat.twin.calls.reads) == (1, 1)


async def test_a_change_of_nothing_is_no_call() -> None:
    seat = Seat()
    product = await big(seat)
    await seat.written(update(product))
    assert (seat.twin.calls.writes, seat.twin.calls.reads) == (0, 0)


async def test_many_products_are_deleted_by_one_call() -> None:
    seat = Seat(figures=Figures(products=30))
    page = await seat.connector.scan(Kind.PRODUCT, None, FREE)
    seat.twin.calls.reset()
    await seat.written(*(removal(Kind.PRODUCT, record.key) for record in page.records))
    assert seat.twin.calls.by_route == {"DELETE /v3/catalog/products": 1}
    assert not seat.twin.shop.entries


async def test_new_categories_of_one_level_are_one_call() -> None:
    seat = Seat()
    changes = [new(Kind.CATEGORY, str(i), {"name": f"Category {i}", "parent": None}) for i in range(50)]
    await seat.written(*changes)
    assert seat.writes() == 1


async def test_a_scan_costs_one_call_per_full_page_and_no_empty_one() -> None:
    seat = Seat(figures=Figures(products=500))
    cursor, pages = None, 0
    while True:
        page = await seat.connector.scan(Kind.PRODUCT, cursor, FREE)
        cursor, pages = page.cursor, pages + 1
        if cursor is None:
            break
    assert (pages, seat.twin.calls.reads) == (2, 2)


async def test_reading_one_product_with_all_its_parts_is_one_call() -> None:
    seat = Seat()
    product = await big(seat)
    await seat.read(product.key)
    assert seat.twin.calls.reads == 1


async def test_reading_a_full_batch_asks_for_options_only_where_there_are_any() -> None:
    seat = Seat(figures=Figures(products=250, with_options=0.0, giants=False))
    keys = [record.key for record in (await seat.connector.scan(Kind.PRODUCT, None, FREE)).records]
    seat.twin.calls.reset()
    assert len(await seat.connector.read(Kind.PRODUCT, keys, FREE)) == 250
    assert seat.twin.calls.reads == 1


async def test_looking_for_thousands_of_products_in_an_empty_store_takes_few_calls() -> None:
    seat = Seat()
    matches = [f"{sort}:{i}" for sort in ("sku", "variant-sku", "name") for i in range(1000)]
    assert not any((await seat.connector.find(Kind.PRODUCT, matches, FREE)).values())
    assert seat.twin.calls.reads <= 8


async def test_looking_for_many_brands_reads_the_list_once() -> None:
    seat = Seat(figures=Figures(products=5, brands=200))
    page = await seat.connector.scan(Kind.BRAND, None, FREE)
    seat.twin.calls.reset()
    matches = [record.matches[0] for record in page.records]
    found = await seat.connector.find(Kind.BRAND, matches, FREE)
    assert all(len(found[match]) == 1 for match in matches)
    assert seat.twin.calls.reads == 1
