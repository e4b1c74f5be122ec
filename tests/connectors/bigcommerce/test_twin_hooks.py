"""Webhooks of the twin: who may subscribe, what is announced, how it is signed and tried again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from storeweave.connectors.bigcommerce.twin import TwinSettings
from storeweave.connectors.bigcommerce.twin.events import covers
from storeweave.connectors.bigcommerce.twin.settings import RETRIES_S
from storeweave.twinkit.deliveries import Mishaps
from tests.connectors.bigcommerce.desk import Desk, choices

DOOR = "https://hub.example/webhooks/a"


async def _subscribed(desk: Desk, *scopes: str, **more: Any) -> None:
    for scope in scopes or ("store/product/*", "store/sku/*", "store/category/*", "store/channel/*"):
        await desk.call("POST", "/hooks", {"scope": scope, "destination": DOOR, "is_active": True, **more})


async def _announced(desk: Desk) -> list[str]:
    desk.inbox.arrived.clear()
    await desk.twin.deliver_due()
    return [scope.removeprefix("store/") for scope in desk.inbox.scopes()]


async def test_a_delivery_is_thin_and_signed_with_the_client_secret() -> None:
    desk = Desk()
    await _subscribed(desk, "store/product/created", headers={"X-Door": "open"})
    made = await desk.create()
    await desk.twin.deliver_due()
    ((url, headers, body),) = desk.inbox.arrived
    assert url == DOOR
    assert headers["X-Door"] == "open"
    event = json.loads(body)
    assert event["scope"] == "store/product/created"
    assert event["data"] == {"type": "product", "id": made["id"]}
    assert (event["producer"], len(event["hash"]), event["store_id"].isdecimal()) == ("stores/twin", 40, True)
    secret = desk.twin.settings.token_table()["twin-token"].client_secret.encode()
    digest = Webhook(secret).sign(headers["webhook-id"], desk.clock.now(), body.decode())
    assert digest == headers["webhook-signature"]
    assert headers["webhook-timestamp"] == str(int(desk.clock.now().timestamp()))


async def test_what_the_vendor_announces_and_what_it_keeps_to_itself() -> None:
    desk = Desk()
    await _subscribed(desk)
    made = await desk.create(variants=choices("red", "blue"))
    path = f"/catalog/products/{made['id']}"
    assert await _announced(desk) == ["product/created", "sku/created", "sku/created"]
    await desk.call("PUT", path, {"price": 3})
    assert await _announced(desk) == ["product/updated"]
    await desk.call("PUT", path, {"price": 3})
    await desk.call("PUT", path, {"mpn": "M-1", "custom_fields": [{"name": "Care", "value": "Cold"}]})
    assert await _announced(desk) == []
    desk.merchant.add_image("MUG", "first")
    assert await _announced(desk) == ["product/updated", "product/updated"]
    desk.merchant.add_image("MUG", "second")
    desk.merchant.edit_image("MUG", 1, is_thumbnail=True)
    desk.merchant.delete_image("MUG", 0)
    assert await _announced(desk) == []
    desk.merchant.edit_variant("MUG-red", price=9)
    assert await _announced(desk) == ["sku/updated"]
    desk.merchant.add_variant("MUG", "MUG-green", {"Colour": "green"})
    assert await _announced(desk) == ["sku/created"]
    desk.merchant.delete_variant("MUG-green")
    assert await _announced(desk) == ["sku/deleted"]
    option = made["options"][0]
    await desk.call("DELETE", f"{path}/options/{option['id']}/values/{option['option_values'][0]['id']}", status=204)
    assert await _announced(desk) == []
    await desk.call("DELETE", f"{path}/options/{option['id']}", status=204)
    assert await _announced(desk) == ["sku/created"]
    desk.merchant.set_listing("MUG", 2, "active")
    assert await _announced(desk) == []
    desk.merchant.assign("MUG", 2)
    assert await _announced(desk) == ["channel/2/product/assigned"]
    desk.merchant.delete_product("MUG")
    assert await _announced(desk) == ["product/deleted"]


async def test_categories_are_announced_by_both_names_and_brands_not_at_all() -> None:
    desk = Desk()
    await _subscribed(desk)
    desk.merchant.create_category("Home")
    desk.merchant.edit_category("Home", description="<p>All</p>")
    desk.merchant.edit_category("Home", description="<p>All</p>")
    desk.merchant.delete_category("Home")
    await desk.create(brand_name="Acme")
    desk.merchant.rename_brand("Acme", "Acme & Sons")
    happened = ("created", "updated", "deleted")
    assert await _announced(desk) == [
        *(scope for what in happened for scope in (f"category/{what}", f"channel/1/category/{what}")),
        "product/created",
    ]


async def test_stock_is_announced_for_what_is_tracked() -> None:
    desk = Desk()
    await _subscribed(desk)
    await desk.create(inventory_level=3, inventory_tracking="product")
    await desk.create("Cup", "CUP", variants=choices("red"), inventory_tracking="variant")
    await _announced(desk)
    desk.merchant.set_stock("MUG", 2)
    desk.merchant.sell("MUG", 1)
    desk.merchant.set_stock("MUG-red", 9)
    changed = "channel/*/inventory/product/stock_changed"
    assert await _announced(desk) == [
        "product/inventory/updated",
        changed,
        "product/inventory/order/updated",
        changed,
        "sku/inventory/updated",
        changed,
    ]
    values = [json.loads(body)["data"].get("inventory") for _, _, body in desk.inbox.arrived]
    assert [value and (value["method"], value["value"]) for value in values] == [
        ("absolute", 2),
        None,
        ("relative", -1),
        None,
        ("absolute", 9),
        None,
    ]


@pytest.mark.parametrize(
    ("wanted", "scope", "covered"),
    [
        ("store/product/*", "store/product/updated", True),
        ("store/product/*", "store/product/inventory/updated", True),
        ("store/product/updated", "store/product/created", False),
        ("store/channel/*/product/assigned", "store/channel/2/product/assigned", True),
        ("store/channel/3/product/assigned", "store/channel/2/product/assigned", False),
        ("store/channel/*/inventory/product/stock_changed", "store/channel/*/inventory/product/stock_changed", True),
        ("store/sku/*", "store/product/updated", False),
    ],
)
def test_a_scope_covers_itself_and_what_its_star_stands_for(wanted: str, scope: str, covered: bool) -> None:
    assert covers(wanted, scope) is covered


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "store/product/updated"}, "destination"),
        ({"destination": DOOR}, "scope"),
        ({"scope": "products", "destination": DOOR}, "scope"),
        ({"scope": "store/product/updated", "destination": "http://hub.example/a"}, "destination"),
        ({"scope": "store/product/updated", "destination": "https://hub.example:8443/a"}, "destination"),
        ({"scope": "store/product/updated", "destination": DOOR, "headers": {"a": 1}}, "headers"),
    ],
)
async def test_a_subscription_that_cannot_work_is_refused(body: dict[str, Any], field: str) -> None:
    assert field in await Desk().errors("POST", "/hooks", body, status=422)


async def test_plain_http_is_for_the_house_only_and_can_be_forbidden() -> None:
    body = {"scope": "store/product/updated", "destination": "http://127.0.0.1:9999/in"}
    await Desk().call("POST", "/hooks", body)
    await Desk(TwinSettings(allow_http_hooks=False)).call("POST", "/hooks", body, status=422)


async def test_ten_hooks_per_scope_and_one_per_destination() -> None:
    desk = Desk()
    body = {"scope": "store/product/updated", "destination": DOOR}
    await desk.call("POST", "/hooks", body)
    await desk.call("POST", "/hooks", body, status=422)
    for number in range(9):
        await desk.call("POST", "/hooks", {**body, "destination": f"{DOOR}{number}"})
    await desk.call("POST", "/hooks", {**body, "destination": f"{DOOR}more"}, status=422)


async def test_a_refused_delivery_is_tried_on_the_vendors_schedule_and_then_the_hook_sleeps() -> None:
    desk = Desk()
    await _subscribed(desk, "store/product/created")
    desk.inbox.statuses = [500] * (len(RETRIES_S) + 1)
    await desk.create()
    assert await desk.twin.deliver_due() == 1
    for wait_s in RETRIES_S:
        desk.clock.push(wait_s - 1)
        assert await desk.twin.deliver_due() == 0
        desk.clock.push(1)
        assert await desk.twin.deliver_due() == 1
    assert len({headers["webhook-id"] for _, headers, _ in desk.inbox.arrived}) == 1
    (hook,) = await desk.data("GET", "/hooks")
    assert hook["is_active"] is False
    await desk.create("Cup", "CUP")
    assert await desk.twin.deliver_due() == 0
    await desk.call("PUT", f"/hooks/{hook['id']}", {"is_active": True})
    await desk.create("Jug", "JUG")
    assert await desk.twin.deliver_due() == 1


async def test_mishaps_happen_as_the_seed_says() -> None:
    runs: list[list[int]] = []
    losses: list[int] = []
    for _ in range(2):
        desk = Desk(seed=4)
        await _subscribed(desk, "store/product/created")
        desk.twin.deliveries.mishaps = Mishaps(lost=0.2, doubled=0.2, delayed=0.2, reordered=0.3)
        for number in range(60):
            await desk.create(f"Mug {number}", f"M-{number}")
        for _ in range(100):
            await desk.twin.deliver_due()
            desk.clock.push(0.1)
        runs.append([json.loads(body)["data"]["id"] for _, _, body in desk.inbox.arrived])
        losses.append(desk.twin.deliveries.lost)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) < 60 < len(runs[0]) + losses[0]
    assert len(runs[0]) > len(set(runs[0]))
    assert runs[0] != sorted(runs[0])


async def test_a_new_hook_needs_a_moment_where_the_settings_say_so() -> None:
    desk = Desk(TwinSettings(hook_warm_up_s=60))
    await _subscribed(desk, "store/product/created")
    await desk.create()
    desk.clock.push(60)
    await desk.create("Cup", "CUP")
    assert await _announced(desk) == ["product/created"]
