"""Images at the twin: fetched, kept byte for byte, served."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from storeweave.connectors.bigcommerce.twin import TwinSettings
from storeweave.ports.transport import Request
from storeweave.twinkit.inprocess import InProcessTransport
from tests.connectors.bigcommerce.desk import Desk

PRODUCTS = "/catalog/products"


async def _bytes(desk: Desk, url: str) -> bytes:
    answer = await desk.transport.send(Request(method="GET", url=url), timeout_s=5)
    assert answer.status == 200
    return answer.body


def _pair() -> tuple[Desk, Desk]:
    """Two stores that can fetch each other's images."""
    a, b = Desk(TwinSettings(store_hash="a")), Desk(TwinSettings(store_hash="b", first_id=9000))
    both = InProcessTransport([a.twin, b.twin], clock=a.clock)
    a.transport = b.transport = both
    return a, b


async def _shown(desk: Desk, product_id: int) -> list[Any]:
    return list(await desk.data("GET", f"{PRODUCTS}/{product_id}/images"))


async def test_an_image_copied_from_store_to_store_has_the_same_bytes() -> None:
    a, b = _pair()
    here, there = await a.create(), await b.create()
    a.merchant.add_image("MUG", "front", description="Front")
    (image,) = await _shown(a, here["id"])
    copied = await b.data("POST", f"{PRODUCTS}/{there['id']}/images", {"image_url": image["url_zoom"]})
    assert copied["image_file"] != ""
    assert copied["is_thumbnail"] is True
    original, copy = await _bytes(a, image["url_zoom"]), await _bytes(b, copied["url_zoom"])
    assert original == copy
    assert original.startswith(b"\x89PNG")
    small = await _bytes(b, copied["url_thumbnail"])
    assert hashlib.sha256(small).digest() != hashlib.sha256(copy).digest()


async def test_there_is_one_thumbnail_and_its_successor_is_the_next_image() -> None:
    desk = Desk()
    made = await desk.create()
    for seed in ("one", "two", "three"):
        desk.merchant.add_image("MUG", seed)
    first, _, third = await _shown(desk, made["id"])
    path = f"{PRODUCTS}/{made['id']}/images"
    await desk.call("PUT", f"{path}/{third['id']}", {"is_thumbnail": True})
    assert [image["is_thumbnail"] for image in await _shown(desk, made["id"])] == [False, False, True]
    await desk.call("DELETE", f"{path}/{third['id']}", status=204)
    assert [image["is_thumbnail"] for image in await _shown(desk, made["id"])] == [True, False]
    (product,) = await desk.data("GET", f"{PRODUCTS}?include=primary_image")
    assert product["primary_image"]["id"] == first["id"]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("https://elsewhere.test/a.png", 400),
        ("https://twin.twin.test/img/1/1/zoom/none.png", 400),
        ("https://twin.twin.test/" + "x" * 255, 422),
        ("", 422),
        (None, 422),
    ],
)
async def test_an_image_that_cannot_be_had_is_refused(url: str | None, status: int) -> None:
    desk = Desk()
    made = await desk.create()
    await desk.call("POST", f"{PRODUCTS}/{made['id']}/images", {"image_url": url}, status=status)
    assert await _shown(desk, made["id"]) == []


async def test_a_new_product_brings_its_images_or_is_not_made() -> None:
    a, b = _pair()
    here = await a.create()
    a.merchant.add_image("MUG", "front")
    (image,) = await _shown(a, here["id"])
    made = await b.create(images=[{"image_url": image["url_zoom"], "sort_order": 3}])
    assert [each["sort_order"] for each in made["images"]] == [3]
    body = {"name": "Cup", "type": "physical", "weight": 1, "price": 1, "images": [{"image_url": "https://no.test/x"}]}
    await b.call("POST", PRODUCTS, body, status=422)
    assert len(b.twin.shop.entries) == 1


async def test_the_same_picture_twice_on_one_product_is_reported_as_a_double() -> None:
    desk = Desk()
    await desk.create()
    desk.merchant.add_image("MUG", "front")
    desk.merchant.add_image("MUG", "front")
    assert len(desk.twin.shop.doubles) == 1


async def test_files_that_are_too_large_or_no_images_are_refused() -> None:
    desk = Desk()
    made = await desk.create()
    path = f"/stores/twin/v3{PRODUCTS}/{made['id']}/images"
    for content in (b"\x89PNG\r\n\x1a\n" + bytes(8 * 1024 * 1024), b"<html>"):
        answer = desk.twin.do("POST", path, {"image_url": "https://x.test/x"}, fetched={"https://x.test/x": content})
        assert answer.status == 400


async def test_a_variant_can_have_a_picture_of_its_own() -> None:
    a, b = _pair()
    here, there = await a.create(), await b.create()
    a.merchant.add_image("MUG", "front")
    (image,) = await _shown(a, here["id"])
    path = f"{PRODUCTS}/{there['id']}/variants/{there['base_variant_id']}"
    variant = await b.data("PUT", path, {"image_url": image["url_zoom"]})
    assert await _bytes(b, variant["image_url"]) == await _bytes(a, image["url_zoom"])
