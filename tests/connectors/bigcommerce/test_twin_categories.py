"""Categories, brands, channels and stock at the twin."""

from __future__ import annotations

from typing import Any

import pytest

from storeweave.connectors.bigcommerce.twin import Figures, TwinSettings
from tests.connectors.bigcommerce.desk import Desk, choices

TREES = "/catalog/trees/categories"


async def _tree(desk: Desk, *paths: str) -> dict[str, int]:
    return {path: desk.merchant.create_category(path) for path in paths}


async def test_fifty_categories_are_made_in_one_call_and_bad_ones_do_not_spoil_the_others() -> None:
    desk = Desk()
    bodies: list[dict[str, Any]] = [{"name": f"Shelf {number}", "tree_id": 1} for number in range(50)]
    await desk.call("POST", TREES, [*bodies, bodies[0]], status=413)
    bodies[7] = {"name": "Nowhere", "parent_id": 12345}
    bodies[8] = {"name": "Shelf 0", "tree_id": 1}
    answer = await desk.call("POST", TREES, bodies, status=207)
    assert answer["meta"] == {"total": 50, "success": 48, "failed": 2}
    assert set(answer["errors"]["errors"]) == {"7.parent_id", "8.name"}
    assert len(answer["data"]) == 48


async def test_names_are_unique_only_among_siblings() -> None:
    desk = Desk()
    made = await _tree(desk, "Home", "Garden", "Home > Cups")
    await desk.call("POST", TREES, [{"name": "CUPS", "parent_id": made["Home"]}], status=409)
    await _tree(desk, "Garden > Cups")
    body = [{"category_id": made["Home > Cups"], "parent_id": made["Garden"]}]
    await desk.call("PUT", TREES, body, status=409)


async def test_a_tree_has_eight_levels_and_no_rings() -> None:
    desk = Desk()
    path = "1"
    made = {"1": desk.merchant.create_category("1")}
    for level in range(2, 9):
        path += f" > {level}"
        made[path] = desk.merchant.create_category(path)
    await desk.call("POST", TREES, [{"name": "9", "parent_id": made[path]}], status=422)
    await desk.call("PUT", TREES, [{"category_id": made["1"], "parent_id": made[path]}], status=422)


async def test_a_deleted_category_takes_those_below_along_and_leaves_the_products() -> None:
    desk = Desk()
    made = await _tree(desk, "Home", "Home > Cups", "Garden")
    await desk.create(categories=[made["Home > Cups"], made["Garden"]])
    answer = await desk.call("DELETE", f"{TREES}?category_id:in={made['Home']}", status=202)
    assert answer["meta"]["success"] == 1
    (product,) = await desk.data("GET", "/catalog/products")
    assert product["categories"] == [made["Garden"]]
    await desk.call("DELETE", TREES, status=422)


async def test_both_doors_show_the_same_categories() -> None:
    desk = Desk(figures=Figures(products=20))
    new = await desk.data("GET", f"{TREES}?limit=250")
    old = await desk.data("GET", "/catalog/categories?limit=250")
    assert [(each["category_id"], each["parent_id"], each["url"]["path"]) for each in new] == [
        (each["id"], each["parent_id"], each["custom_url"]["url"]) for each in old
    ]
    child = next(each for each in new if each["parent_id"])
    for query in (
        f"parent_id:in={child['parent_id']}",
        f"name={child['name']}",
        f"category_id:in={child['category_id']}",
    ):
        found = await desk.data("GET", f"{TREES}?{query}&include_fields=name")
        assert {"category_id": child["category_id"], "name": child["name"]} in found


async def test_a_brand_is_unique_by_name_and_its_products_lose_it_with_it() -> None:
    desk = Desk()
    made = await desk.create(brand_name="Acme")
    await desk.call("POST", "/catalog/brands", {"name": "ACME"}, status=409)
    await desk.call("PUT", f"/catalog/brands/{made['brand_id']}", {"name": "Acme & Sons"})
    assert [brand["name"] for brand in await desk.data("GET", "/catalog/brands?name=acme%20%26%20sons")] == [
        "Acme & Sons"
    ]
    await desk.call("DELETE", f"/catalog/brands/{made['brand_id']}", status=204)
    assert (await desk.data("GET", f"/catalog/products/{made['id']}"))["brand_id"] == 0


async def test_listings_are_paged_by_cursor_and_found_by_product_and_date() -> None:
    desk = Desk(figures=Figures(products=60, listed=1.0))
    seen: list[int] = []
    after = 0
    while True:
        answer = await desk.call("GET", f"/channels/2/listings?limit=25&after={after}")
        seen += [listing["product_id"] for listing in answer["data"]]
        if "next" not in answer["meta"]["pagination"]["links"]:
            break
        after = answer["data"][-1]["listing_id"]
    assert seen == desk.twin.shop.order
    desk.clock.push(10)
    sku = desk.merchant.skus()[3]
    desk.merchant.set_listing(sku, 2, "disabled")
    changed = await desk.data("GET", "/channels/2/listings?date_modified:min=2026-11-20T12:00:05Z")
    assert [(listing["product_id"], listing["state"]) for listing in changed] == [
        (desk.merchant.product(sku).product.id, "disabled")
    ]
    assert await desk.data("GET", "/channels/77/listings") == []


async def test_assigning_to_a_channel_is_seen_and_happens_once() -> None:
    desk = Desk()
    made = await desk.create()
    pair = {"product_id": made["id"], "channel_id": 2}
    for _ in range(2):
        await desk.call("PUT", "/catalog/products/channel-assignments", [pair], status=204)
    assert desk.twin.shop.announcer.counts["store/channel/2/product/assigned"] == 1
    assert pair in await desk.data("GET", f"/catalog/products/channel-assignments?product_id:in={made['id']}")


@pytest.mark.parametrize("relative", [False, True])
async def test_stock_is_adjusted_after_a_lag(relative: bool) -> None:
    desk = Desk(TwinSettings(stock_lag_s=5))
    made = await desk.create(inventory_level=10, inventory_tracking="product")
    method, path = ("POST", "relative") if relative else ("PUT", "absolute")
    body = {"items": [{"location_id": 1, "product_id": made["id"], "quantity": 4}]}
    assert (await desk.call(method, f"/inventory/adjustments/{path}", body))["transaction_id"]
    read = f"/catalog/products/{made['id']}"
    assert (await desk.data("GET", read))["inventory_level"] == 10
    desk.clock.push(5)
    assert (await desk.data("GET", read))["inventory_level"] == (14 if relative else 4)


async def test_stock_is_addressed_as_it_is_tracked() -> None:
    desk = Desk()
    made = await desk.create(variants=choices("red", "blue"), inventory_tracking="variant")
    adjust = "/inventory/adjustments/absolute"
    item = {"location_id": 1, "quantity": 7}
    await desk.call("PUT", adjust, {"items": [{**item, "product_id": made["id"]}]}, status=422)
    await desk.call("PUT", adjust, {"items": [{**item, "sku": "MUG-red"}]})
    assert (await desk.data("GET", f"/catalog/products/{made['id']}"))["inventory_level"] == 7
    await desk.call("PUT", f"/catalog/products/{made['id']}", {"inventory_tracking": "product"})
    variant = made["variants"][0]["id"]
    await desk.call("PUT", adjust, {"items": [{**item, "variant_id": variant}]}, status=422)
    found = await desk.data("GET", f"/inventory/items?variant_id:in={variant}")
    assert found[0]["locations"][0]["total_inventory_onhand"] == 7


async def test_the_store_says_who_it_is() -> None:
    one, other = Desk(TwinSettings(store_hash="one")), Desk(TwinSettings(store_hash="other"))
    first = await one.send("GET", "/store", api="v2")
    second = await other.send("GET", "/store", api="v2")
    assert first.status == second.status == 200
    assert b'"id":"one"' in first.body
    assert first.body != second.body
    assert (await one.send("GET", "/time", api="v2")).body == b'{"time":%d}' % int(one.clock.now().timestamp())
