"""The connector's requests are valid by the vendor's OpenAPI files, but for the listed faults of the files."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from storeweave.model.kinds import Kind
from storeweave.model.records import PartsChange
from tests.connectors.bigcommerce.request_contract import WAIVED, RequestContract
from tests.connectors.bigcommerce.seat import FREE, PICTURES, Recorder, Seat, big_product, new, removal, update

pytestmark = pytest.mark.specs


async def everything() -> None:
    """Use every verb and every sort of write once."""
    seat = Seat(channel_id=1)
    connector = seat.connector
    await connector.check(FREE)
    await connector.ensure_hooks("https://hub.example/webhooks/shop/x", FREE)
    seat.twin._deactivate(next(iter(seat.twin.shop.announcer.hooks)))
    await connector.ensure_hooks("https://hub.example/webhooks/shop/x", FREE)
    await connector.ensure_hooks("https://hub2.example/webhooks/shop/x", FREE)
    await connector.remove_hooks(FREE)
    (category,) = await seat.written(new(Kind.CATEGORY, "c", {"name": "Home", "parent": None, "url_path": "/home/"}))
    (brand,) = await seat.written(new(Kind.BRAND, "b", {"name": "Acme", "meta_keywords": frozenset({"a"})}))
    assert category.key is not None
    assert brand.key is not None
    await seat.written(update(await seat.read(category.key, Kind.CATEGORY), {"is_visible": False, "parent": None}))
    await seat.written(update(await seat.read(brand.key, Kind.BRAND), {"page_title": "A"}))
    rows = {
        "custom_fields": frozenset({("a", "b"), ("c", "d")}),
        "bulk_pricing": frozenset({("2", "5", "percent", "0.1"), ("6", "0", "price", "2")}),
        "videos": frozenset({("youtube", "abc", "T", "D", "0")}),
    }
    (made,) = await seat.written(big_product(["S", "M"], images=2))
    assert made.key is not None
    product = await seat.read(made.key)
    await seat.written(update(product, {"brand": brand.key, "categories": frozenset({category.key}), **rows}))
    product = await seat.read(made.key)
    fewer = {name: frozenset(sorted(row)[1:]) for name, row in rows.items()}
    first, second = product.parts["variants"]
    (option,) = product.parts["options"]
    value = next(iter(product.parts["option_values"]))
    image, other = product.parts["images"]
    change = update(
        product,
        {**fewer, "sale_price": None, "preorder_release_at": "2027-01-01T00:00:00Z", "url_path": "/big/"},
        options=PartsChange(update={option: {"name": "Sizes"}}),
        option_values=PartsChange(
            create={"+v": {"option": option, "label": "L", "sort_order": 9}}, update={value: {"label": "Small"}}
        ),
        variants=PartsChange(
            create={"+n": {"sku": "BIG-L", "option_values": frozenset({"+v"})}},
            update={first: {"price": None, "weight": Decimal("1.5"), "image_url": f"{PICTURES}v"}},
            delete=(second,),
        ),
        images=PartsChange(
            create={"+i": {"url": f"{PICTURES}n", "sort_order": 3}}, update={image: {"sort_order": 2}}, delete=(other,)
        ),
    )
    await seat.written(change)
    for kind, key in ((Kind.PRODUCT, made.key), (Kind.CATEGORY, category.key), (Kind.BRAND, brand.key)):
        cursor = None
        await connector.scan(kind, cursor, FREE)
        record = await seat.read(key, kind)
        await connector.find(kind, record.matches, FREE)
    since = seat.desk.clock.now()
    page = await connector.changed(Kind.PRODUCT, since, None, FREE)
    if page.cursor:
        await connector.changed(Kind.PRODUCT, since, page.cursor, FREE)
    for kind, key in ((Kind.PRODUCT, made.key), (Kind.CATEGORY, category.key), (Kind.BRAND, brand.key)):
        await seat.written(removal(kind, key))


async def test_every_verb_keeps_to_the_contract(specs_dir: Path) -> None:
    await everything()
    contract = RequestContract(specs_dir / "bigcommerce")
    assert {fault for request in Recorder.sent for fault in contract.faults(request)} == set()
    asked = {
        (request.method, re.sub(r"\d+", "#", request.url.partition("?")[0].partition("/twin")[2]))
        for request in Recorder.sent
    }
    assert len(asked) >= 25, sorted(asked)


async def test_each_waived_fault_is_still_one(specs_dir: Path) -> None:
    await everything()
    contract = RequestContract(specs_dir / "bigcommerce")
    faults = {fault for request in Recorder.sent for fault in contract.all_faults(request)}
    stale = [pattern for pattern in WAIVED if not any(re.fullmatch(pattern, fault) for fault in faults)]
    assert stale == []
