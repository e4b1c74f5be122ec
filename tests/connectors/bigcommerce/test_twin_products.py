"""Products at the twin: what is stored, what is refused, what lists show."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from storeweave.connectors.bigcommerce.twin import Figures, TwinSettings
from tests.connectors.bigcommerce.desk import Desk, choices

PRODUCTS = "/catalog/products"


async def test_a_new_product_has_a_base_variant_that_mirrors_it() -> None:
    desk = Desk()
    made = await desk.create(price=12.5, weight=0.25)
    (base,) = made["variants"]
    assert made["base_variant_id"] == base["id"]
    assert (base["sku"], base["price"], base["weight"], base["option_values"]) == ("MUG", 12.5, Decimal("0.25"), [])
    await desk.call("PUT", f"{PRODUCTS}/{made['id']}", {"price": 13, "sku": "MUG-2"})
    (base,) = await desk.data("GET", f"{PRODUCTS}/{made['id']}/variants")
    assert (base["sku"], base["price"]) == ("MUG-2", 13)


async def test_money_is_exact_and_has_at_most_four_places() -> None:
    desk = Desk()
    made = await desk.create(price=0.1)
    path = f"{PRODUCTS}/{made['id']}"
    for sent, kept in (("19.99", "19.99"), ("0.12345", "0.1235"), ("7.00005", "7.0001"), ("5.0000", "5")):
        answer = await desk.send("PUT", path, {"price": float(sent)})
        assert f'"price":{kept},' in answer.body.decode()


async def test_variants_of_a_new_product_make_its_options() -> None:
    desk = Desk()
    made = await desk.create(variants=choices("red", "blue"))
    assert made["base_variant_id"] is None
    assert [variant["sku"] for variant in made["variants"]] == ["MUG-red", "MUG-blue"]
    (option,) = made["options"]
    assert option["display_name"] == "Colour"
    assert [value["label"] for value in option["option_values"]] == ["red", "blue"]
    assert made["variants"][1]["option_values"] == [
        {
            "id": option["option_values"][1]["id"],
            "label": "blue",
            "option_id": option["id"],
            "option_display_name": "Colour",
        }
    ]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "mug", "sku": "other"}, 409, "name"),
        ({"sku": "mug"}, 409, "sku"),
        ({"sku": "MUG-RED"}, 409, "sku"),
        ({"categories": [77]}, 409, "categories"),
        ({"brand_id": 77}, 409, "brand_id"),
        ({"name": "x" * 251}, 422, "name"),
        ({"name": "  "}, 422, "name"),
        ({"sku": "x" * 256}, 422, "sku"),
        ({"price": -1}, 422, "price"),
        ({"type": "virtual"}, 422, "type"),
        ({"availability": "perhaps"}, 422, "availability"),
        ({"variants": choices(*map(str, range(601)))}, 422, "variants"),
        ({"variants": choices("a", "a")}, 409, "variants"),
        ({"bulk_pricing_rules": [{"quantity_min": 1}]}, 422, "quantity_max"),
    ],
)
async def test_what_a_store_does_not_take_is_refused_by_field(body: dict[str, Any], status: int, field: str) -> None:
    desk = Desk()
    await desk.create(variants=choices("red"))
    fresh = {"name": "New", "sku": "NEW", "type": "physical", "weight": 1, "price": 1, **body}
    assert field in await desk.errors("POST", PRODUCTS, fresh, status=status)
    assert len(desk.twin.shop.entries) == 1


async def test_a_name_is_trimmed_and_free_again_once_its_product_is_gone() -> None:
    desk = Desk()
    made = await desk.create(name="  Mug ")
    assert made["name"] == "Mug"
    await desk.call("DELETE", f"{PRODUCTS}/{made['id']}", status=204)
    await desk.call("GET", f"{PRODUCTS}/{made['id']}", status=404)
    assert (await desk.create())["id"] > made["id"]


async def test_a_brand_given_by_name_is_made_once() -> None:
    desk = Desk()
    first = await desk.create(brand_name="Acme")
    second = await desk.create("Cup", "CUP", brand_name="acme")
    assert first["brand_id"] == second["brand_id"]
    assert [brand["name"] for brand in await desk.data("GET", "/catalog/brands")] == ["Acme"]


async def test_a_url_that_is_taken_is_the_only_thing_not_saved() -> None:
    desk = Desk()
    await desk.create()
    body = {"name": "Cup", "type": "physical", "weight": 1, "price": 1, "custom_url": {"url": "/mug/"}}
    answer = await desk.call("POST", PRODUCTS, body, status=207)
    assert set(answer["errors"]["errors"]) == {"custom_url"}
    assert answer["data"]["custom_url"]["url"] == "/cup/"


async def test_ten_products_are_changed_in_one_call_and_eleven_are_too_many() -> None:
    desk = Desk(figures=Figures(products=11))
    ids = list(desk.twin.shop.order)
    changed = await desk.data("PUT", PRODUCTS, [{"id": number, "price": 3} for number in ids[:10]])
    assert [product["price"] for product in changed] == [3] * 10
    await desk.call("PUT", PRODUCTS, [{"id": number, "price": 4} for number in ids], status=413)


async def test_a_bad_item_spoils_the_batch_unless_the_store_saves_the_good_ones() -> None:
    for lenient in (False, True):
        desk = Desk(TwinSettings(batch_saves_valid_items=lenient))
        ids = [(await desk.create(name, name))["id"] for name in ("a", "b", "c")]
        batch = [{"id": ids[0], "price": 3}, {"id": ids[1], "price": -3}, {"id": 1, "price": 3}]
        answer = await desk.call("PUT", PRODUCTS, batch, status=207 if lenient else 422)
        errors = answer["errors"]["errors"] if lenient else answer["errors"]
        assert set(errors) == {"1.price", "2.id"}
        prices = [entry.product.price for entry in desk.twin.shop.entries.values()]
        assert prices == [3 if lenient else 12.5, 12.5, 12.5]


async def test_products_are_deleted_by_filter_and_never_without_one() -> None:
    desk = Desk(figures=Figures(products=5))
    ids = list(desk.twin.shop.order)
    await desk.call("DELETE", PRODUCTS, status=422)
    await desk.call("DELETE", f"{PRODUCTS}?limit=3", status=422)
    await desk.call("DELETE", f"{PRODUCTS}?id:in={ids[0]},{ids[3]},99999", status=204)
    assert list(desk.twin.shop.order) == [ids[1], ids[2], ids[4]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sku=B", "B"),
        ("sku:in=a,C,none", "AC"),
        ("sku:in=", ""),
        ("name=cup%20b", "B"),
        ("id:greater=101", "CD"),
        ("id:min=101&limit=2", "BC"),
        ("id:in=103,100", "AD"),
        ("id:in=103,100&sku=A", "A"),
        ("price:unknown=1", "ABCD"),
        ("is_visible=false", "C"),
        ("sort=price&direction=desc", "DCBA"),
        ("limit=3&page=2", "D"),
        ("keyword=cup%20d", "D"),
        ("date_modified:min=2026-11-20T12:00:02Z", "BCD"),
        ("date_modified:min=2026-11-20T12:00:02%2B00:00&date_modified:max=2026-11-20T12:00:03Z", "CD"),
    ],
)
async def test_lists_are_filtered_sorted_and_cut_into_pages(query: str, found: str) -> None:
    desk = Desk()
    for number, letter in enumerate("ABCD"):
        await desk.create(f"Cup {letter}", letter, price=number + 1, is_visible=letter != "C")
        desk.clock.push(1)
    await desk.call("PUT", f"{PRODUCTS}/101", {"warranty": "long"})
    answer = await desk.call("GET", f"{PRODUCTS}?{query}")
    assert "".join(product["sku"] for product in answer["data"]) == found
    assert answer["meta"]["pagination"]["count"] == len(found)


async def test_a_page_holds_at_most_250_and_only_ten_with_options() -> None:
    desk = Desk(figures=Figures(products=300))
    for query, count in (("", 50), ("limit=1000", 250), ("limit=250&include=options", 10), ("include=modifiers", 10)):
        answer = await desk.call("GET", f"{PRODUCTS}?{query}")
        assert len(answer["data"]) == count
        assert answer["meta"]["pagination"]["total"] == 300
        assert answer["meta"]["pagination"]["total_pages"] == -(-300 // count)


async def test_fields_and_parts_come_as_they_are_asked_for() -> None:
    desk = Desk()
    made = await desk.create(custom_fields=[{"name": "Care", "value": "Cold"}])
    (bare,) = await desk.data("GET", f"{PRODUCTS}?include_fields=name,sku")
    assert bare == {"id": made["id"], "name": "Mug", "sku": "MUG"}
    whole = await desk.data("GET", f"{PRODUCTS}/{made['id']}?exclude_fields=name&include=custom_fields,channels")
    assert "name" not in whole
    assert (whole["custom_fields"][0]["value"], whole["channels"]) == ("Cold", [1])
    await desk.call("GET", f"{PRODUCTS}?include=everything", status=422)


async def test_the_date_moves_with_the_product_and_not_with_its_parts() -> None:
    desk = Desk()
    made = await desk.create()
    desk.clock.push(60)
    path = f"{PRODUCTS}/{made['id']}"
    await desk.call("POST", f"{path}/custom-fields", {"name": "Care", "value": "Cold"})
    assert (await desk.data("GET", path))["date_modified"] == made["date_modified"]
    await desk.call("PUT", path, {"price": 1})
    assert (await desk.data("GET", path))["date_modified"] > made["date_modified"]


async def test_descriptions_are_kept_to_the_letter_unless_the_store_tidies_them() -> None:
    html = " <p>Fine&nbsp;wool</p>\r\n<!-- note --><script>alert(1)</script> "
    for tidies, kept in ((False, html), (True, "<p>Fine&nbsp;wool</p>")):
        desk = Desk(TwinSettings(tidies_descriptions=tidies))
        assert (await desk.create(description=html))["description"] == kept


async def test_parts_are_added_and_changed_by_a_put_and_never_removed() -> None:
    desk = Desk()
    made = await desk.create(custom_fields=[{"name": "Care", "value": "Cold"}])
    field = made["custom_fields"][0]
    body = {"custom_fields": [{**field, "value": "Hot"}, {"name": "Origin", "value": "Japan"}]}
    changed = await desk.data("PUT", f"{PRODUCTS}/{made['id']}", body)
    assert [(each["name"], each["value"]) for each in changed["custom_fields"]] == [
        ("Care", "Hot"),
        ("Origin", "Japan"),
    ]
    rule = {"quantity_min": 5, "quantity_max": 9, "type": "percent", "amount": 5}
    await desk.call("PUT", f"{PRODUCTS}/{made['id']}", {"bulk_pricing_rules": [rule]})
    await desk.call("PUT", f"{PRODUCTS}/{made['id']}", {"bulk_pricing_rules": [rule]}, status=409)


async def test_a_poisoned_product_is_always_refused_and_its_neighbours_are_not() -> None:
    desk = Desk()
    made = await desk.create()
    other = await desk.create("Cup", "CUP")
    desk.twin.shop.poisoned = {"mug"}
    await desk.call("PUT", f"{PRODUCTS}/{made['id']}", {"price": 1}, status=422)
    await desk.call("PUT", f"{PRODUCTS}/{other['id']}", {"price": 1})
    desk.twin.shop.poisoned = set()
    await desk.call("PUT", f"{PRODUCTS}/{made['id']}", {"price": 1})


async def test_what_is_created_again_is_reported() -> None:
    desk = Desk()
    made = await desk.create()
    assert desk.twin.shop.recreated == []
    await desk.call("DELETE", f"{PRODUCTS}/{made['id']}", status=204)
    await desk.create()
    assert desk.twin.shop.recreated == ["product MUG"]


async def test_a_refused_or_planned_creation_does_not_count() -> None:
    desk = Desk()
    made = await desk.create()
    await desk.create("Cup", "CUP")
    fields = {"custom_fields": [{"name": "Care", "value": "Cold"}]}
    await desk.call("PUT", f"{PRODUCTS}/{made['id']}", {**fields, "sku": "CUP"}, status=409)
    await desk.call("PUT", PRODUCTS, [{"id": made["id"], **fields}])
    assert (desk.twin.shop.recreated, desk.twin.shop.doubles) == ([], [])


async def test_stock_that_cannot_be_written_leaves_the_rest_saved() -> None:
    desk = Desk()
    made = await desk.create()
    desk.twin.shop.stock_refused = {"mug"}
    answer = await desk.call("PUT", f"{PRODUCTS}/{made['id']}", {"price": 2, "inventory_level": 5}, status=207)
    assert set(answer["errors"]["errors"]) == {"inventory_level"}
    assert (answer["data"]["price"], answer["data"]["inventory_level"]) == (2, 0)


async def test_two_items_of_one_batch_cannot_take_the_same_name() -> None:
    desk = Desk()
    ids = [(await desk.create(name, name))["id"] for name in ("a", "b", "c")]
    batch = [{"id": ids[0], "name": "New"}, {"id": ids[1], "name": "new"}, {"id": ids[0], "price": 7}]
    answer = await desk.call("PUT", PRODUCTS, batch, status=207)
    assert set(answer["errors"]["errors"]) == {"1.name"}
    first = desk.twin.shop.entries[ids[0]].product
    assert (first.name, first.price) == ("New", 7)
