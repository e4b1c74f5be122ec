"""Variants and options at the twin."""

from __future__ import annotations

from typing import Any

from storeweave.connectors.bigcommerce.twin import Figures
from tests.connectors.bigcommerce.desk import Desk, choices

PRODUCTS = "/catalog/products"


async def _mug(desk: Desk, *labels: str) -> tuple[str, Any]:
    made = await desk.create(variants=choices(*labels))
    return f"{PRODUCTS}/{made['id']}", made


def _labels(variants: list[Any]) -> list[list[str]]:
    return [[value["label"] for value in variant["option_values"]] for variant in variants]


async def test_variants_are_changed_and_created_in_one_batch() -> None:
    desk = Desk()
    path, made = await _mug(desk, "red", "blue")
    option = made["options"][0]
    value = await desk.data("POST", f"{path}/options/{option['id']}/values", {"label": "green", "sort_order": 2})
    batch = [
        {"id": made["variants"][0]["id"], "price": 9.5},
        {
            "product_id": made["id"],
            "sku": "MUG-green",
            "option_values": [{"id": value["id"], "option_id": option["id"]}],
        },
    ]
    changed = await desk.data("PUT", "/catalog/variants", batch)
    assert [(variant["sku"], variant["calculated_price"]) for variant in changed] == [
        ("MUG-red", 9.5),
        ("MUG-green", 12.5),
    ]
    assert _labels(await desk.data("GET", f"{path}/variants")) == [["red"], ["blue"], ["green"]]


async def test_one_bad_item_of_a_batch_of_variants_undoes_the_others() -> None:
    desk = Desk()
    desk.clock.push(100)
    hook = {"scope": "store/sku/*", "destination": "https://hub.example/in"}
    await desk.call("POST", "/hooks", hook)
    path, made = await _mug(desk, "red", "blue")
    await desk.twin.deliver_due()
    desk.inbox.arrived.clear()
    batch = [{"id": made["variants"][0]["id"], "price": 1}, {"id": 99999, "price": 1}]
    answer = await desk.call("PUT", "/catalog/variants", batch, status=422)
    assert [list(problem["errors"]) for problem in answer["batch_errors"]] == [["1.id"]]
    assert (await desk.data("GET", f"{path}/variants"))[0]["price"] is None
    await desk.twin.deliver_due()
    assert desk.inbox.scopes() == []
    await desk.call("PUT", "/catalog/variants", [batch[0]] * 51, status=413)


async def test_a_variant_without_a_price_follows_its_product() -> None:
    desk = Desk()
    path, made = await _mug(desk, "red", "blue")
    await desk.call("PUT", f"{path}/variants/{made['variants'][0]['id']}", {"price": 20})
    await desk.call("PUT", path, {"price": 15, "sale_price": 14})
    red, blue = await desk.data("GET", f"{path}/variants")
    assert (red["price"], red["calculated_price"]) == (20, 20)
    assert (blue["price"], blue["calculated_price"]) == (None, 14)


async def test_the_first_variant_takes_the_base_variants_place_and_the_last_gives_it_back() -> None:
    desk = Desk()
    made = await desk.create()
    path = f"{PRODUCTS}/{made['id']}"
    new = {"display_name": "Size", "type": "rectangles", "option_values": [{"label": "S", "sort_order": 0}]}
    await desk.call("POST", f"{path}/options", new)
    assert _labels(await desk.data("GET", f"{path}/variants")) == [[]]
    body = {"sku": "MUG-S", "option_values": [{"option_display_name": "Size", "label": "S"}]}
    small = await desk.data("POST", f"{path}/variants", body)
    assert (await desk.data("GET", path))["base_variant_id"] is None
    assert _labels(await desk.data("GET", f"{path}/variants")) == [["S"]]
    await desk.call("DELETE", f"{path}/variants/{small['id']}", status=204)
    (base,) = await desk.data("GET", f"{path}/variants")
    assert (base["option_values"], base["sku"]) == ([], "MUG")
    await desk.call("DELETE", f"{path}/variants/{base['id']}", status=422)


async def test_a_variant_needs_one_existing_value_of_every_option_and_a_sku_of_its_own() -> None:
    desk = Desk()
    path, made = await _mug(desk, "red")
    value = {"option_display_name": "Colour", "label": "red"}
    for body, status in (
        ({"sku": "x", "option_values": [{**value, "label": "pink"}]}, 422),
        ({"sku": "x", "option_values": []}, 422),
        ({"option_values": [value]}, 422),
        ({"sku": "x", "option_values": [value]}, 409),
    ):
        await desk.call("POST", f"{path}/variants", body, status=status)
    option = made["options"][0]["id"]
    await desk.call("POST", f"{path}/options/{option}/values", {"label": "blue", "sort_order": 1})
    taken = {"sku": "MUG-red", "option_values": [{**value, "label": "blue"}]}
    await desk.call("POST", f"{path}/variants", taken, status=409)


async def test_a_renamed_option_and_value_are_renamed_in_the_variants() -> None:
    desk = Desk()
    path, made = await _mug(desk, "red", "blue")
    option = made["options"][0]
    await desk.call("PUT", f"{path}/options/{option['id']}", {"display_name": "Shade"})
    blue = option["option_values"][1]["id"]
    await desk.call("PUT", f"{path}/options/{option['id']}/values/{blue}", {"label": "navy", "sort_order": 1})
    variants = await desk.data("GET", f"{path}/variants")
    assert _labels(variants) == [["red"], ["navy"]]
    assert variants[0]["option_values"][0]["option_display_name"] == "Shade"


async def test_a_deleted_value_takes_its_variants_along_and_a_deleted_option_merges_them() -> None:
    desk = Desk()
    two = [
        {
            "sku": f"{colour}-{size}",
            "option_values": [
                {"option_display_name": "Colour", "label": colour},
                {"option_display_name": "Size", "label": size},
            ],
        }
        for colour in ("red", "blue")
        for size in ("S", "M")
    ]
    made = await desk.create(variants=two)
    path = f"{PRODUCTS}/{made['id']}"
    colour, size = made["options"]
    await desk.call("DELETE", f"{path}/options/{colour['id']}/values/{colour['option_values'][0]['id']}", status=204)
    assert _labels(await desk.data("GET", f"{path}/variants")) == [["blue", "S"], ["blue", "M"]]
    await desk.call("DELETE", f"{path}/options/{size['id']}", status=204)
    assert _labels(await desk.data("GET", f"{path}/variants")) == [["blue"]]
    await desk.call("DELETE", f"{path}/options/{colour['id']}", status=204)
    assert _labels(await desk.data("GET", f"{path}/variants")) == [[]]


async def test_variants_of_all_products_are_listed_and_found() -> None:
    desk = Desk(figures=Figures(products=30, with_options=1.0))
    every = [variant for entry in desk.twin.shop.entries.values() for variant in entry.variants]
    first = await desk.call("GET", "/catalog/variants?limit=20")
    second = await desk.data("GET", "/catalog/variants?limit=20&page=2")
    assert [variant["id"] for variant in (*first["data"], *second)] == [variant.id for variant in every[:40]]
    assert first["meta"]["pagination"]["total"] == len(every)
    wanted = [variant for variant in every if variant.sku][5]
    for query in (f"sku={wanted.sku}", f"id={wanted.id}", f"product_id:in={wanted.product_id}&sku={wanted.sku}"):
        assert [variant["id"] for variant in await desk.data("GET", f"/catalog/variants?{query}")] == [wanted.id]


async def test_six_hundred_variants_are_the_most() -> None:
    desk = Desk()
    made = await desk.create(variants=choices(*map(str, range(600))))
    path = f"{PRODUCTS}/{made['id']}"
    option = made["options"][0]["id"]
    assert len(made["variants"]) == 600
    value = [{"option_id": option, "id": made["options"][0]["option_values"][0]["id"]}]
    await desk.call("POST", f"{path}/variants", {"sku": "one more", "option_values": value}, status=422)


async def test_a_base_variants_price_is_its_products() -> None:
    desk = Desk()
    made = await desk.create()
    await desk.call("PUT", "/catalog/variants", [{"id": made["base_variant_id"], "price": 3, "sku": "CUP"}])
    product = await desk.data("GET", f"{PRODUCTS}/{made['id']}")
    assert (product["price"], product["sku"]) == (3, "CUP")
