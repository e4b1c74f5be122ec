"""Which webhooks we keep, and what a delivery says may have changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.connectors.bigcommerce.signatures import SECRET_HEADER
from storeweave.connectors.bigcommerce.webhooks import target_of
from storeweave.model.errors import BadRequestError, ConfigError
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Cause, Event, Notice, Priority
from storeweave.ports.connector import HookRequest
from tests.connectors.bigcommerce.seat import FREE, HOOK_SECRET, Seat, connector_on

URL = "https://hub.example/webhooks/shop/secret-part"
BRIEF = {
    "store/product/created",
    "store/product/updated",
    "store/category/created",
    "store/category/updated",
    "store/sku/created",
    "store/sku/updated",
}


def delivered(seat: Seat, body: Any, **headers: str) -> list[Notice]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = HookRequest(headers={SECRET_HEADER: HOOK_SECRET, **headers}, body=raw)
    return list(seat.connector.receive(request, now=seat.desk.clock.now()))


def event(scope: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "scope": scope,
        "store_id": "1",
        "producer": "stores/twin",
        "hash": "abc",
        "created_at": 1732100000,
        "data": data,
    } | more


# --- subscriptions --------------------------------------------------------------------------------------------------


async def test_the_hooks_of_the_brief_and_the_newer_ones_are_made() -> None:
    seat = Seat(channel_id=2)
    report = await seat.connector.ensure_hooks(URL, FREE)
    assert set(report.created) >= BRIEF | {
        "store/product/deleted",
        "store/category/deleted",
        "store/sku/deleted",
        "store/product/inventory/updated",
        "store/sku/inventory/updated",
        "store/channel/2/product/assigned",
        "store/channel/2/product/unassigned",
    }
    hooks = seat.twin.shop.announcer.hooks.values()
    assert all(hook.is_active and hook.destination == URL for hook in hooks)
    assert all((hook.headers or {})[SECRET_HEADER] == HOOK_SECRET for hook in hooks)


async def test_a_deactivated_hook_is_activated_again() -> None:
    seat = Seat()
    await seat.connector.ensure_hooks(URL, FREE)
    first = next(iter(seat.twin.shop.announcer.hooks))
    seat.twin._deactivate(first)
    report = await seat.connector.ensure_hooks(URL, FREE)
    assert len(report.activated) == 1
    assert len(report.kept) == 12
    assert all(hook.is_active for hook in seat.twin.shop.announcer.hooks.values())


async def test_hooks_of_others_are_never_touched() -> None:
    seat = Seat()
    foreign = []
    for destination in ("https://hub.example/webhooks/shop-two/x", "https://other.example/webhooks/products/created"):
        body = {"scope": "store/product/created", "destination": destination, "is_active": False}
        foreign.append(await seat.desk.data("POST", "/hooks", body))
    await seat.connector.ensure_hooks(URL, FREE)
    await seat.connector.ensure_hooks(URL.replace("hub", "hub2"), FREE)
    assert await seat.connector.remove_hooks(FREE) == 13
    left = {str(hook["id"]) for hook in foreign}
    assert {state.id for state in await seat.connector.list_hooks(FREE)} == left
    assert not any(state.is_ours or state.is_active for state in await seat.connector.list_hooks(FREE))


async def test_a_new_secret_is_told_to_the_hooks() -> None:
    seat = Seat()
    await seat.connector.ensure_hooks(URL, FREE)
    renewed = connector_on(seat.wire, seat.purse, seat.desk, hook_secret="another-secret")
    report = await renewed.ensure_hooks(URL, FREE)
    assert len(report.moved) == 13
    assert {(hook.headers or {})[SECRET_HEADER] for hook in seat.twin.shop.announcer.hooks.values()} == {
        "another-secret"
    }


async def test_doubled_hooks_and_those_of_dropped_scopes_are_removed() -> None:
    seat = Seat(channel_id=2)
    await seat.connector.ensure_hooks(URL, FREE)
    extra = {"scope": "store/product/updated", "destination": f"{URL}/old"}
    await seat.desk.data("POST", "/hooks", extra)
    report = await connector_on(seat.wire, seat.purse, seat.desk).ensure_hooks(URL, FREE)
    assert sorted(report.removed) == [
        "store/channel/2/product/assigned",
        "store/channel/2/product/unassigned",
        "store/product/updated",
    ]
    assert len(seat.twin.shop.announcer.hooks) == 13


@pytest.mark.parametrize("url", ["http://hub.example/webhooks/shop/x", "https://hub.example:8443/webhooks/shop/x"])
async def test_an_address_that_bigcommerce_cannot_reach_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(ConfigError):
        await Seat().connector.ensure_hooks(url, FREE)
    with_twin = Seat(allow_http_hooks=True)
    assert (await with_twin.connector.ensure_hooks("http://localhost:8000/webhooks/shop/x", FREE)).created


# --- deliveries -----------------------------------------------------------------------------------------------------


async def test_what_the_twin_sends_is_understood() -> None:
    seat = Seat()
    await seat.connector.ensure_hooks(URL, FREE)
    product_id = seat.merchant.create_product("Mug", "MUG", 5)
    seat.merchant.add_variant("MUG", "MUG-1", {"Size": "S"})
    seat.merchant.create_category("Home")
    seat.merchant.set_stock("MUG-1", 5)
    seat.merchant.delete_product("MUG")
    await seat.twin.deliver_due()
    notices: list[Notice] = []
    for _, headers, body in seat.desk.inbox.arrived:
        request = HookRequest(headers={name.lower(): value for name, value in headers.items()}, body=body)
        notices += seat.connector.receive(request, now=seat.desk.clock.now())
    assert {(n.kind, n.event) for n in notices} >= {
        (Kind.PRODUCT, Event.CHANGED),
        (Kind.PRODUCT, Event.DELETED),
        (Kind.CATEGORY, Event.CHANGED),
    }
    assert {n.key for n in notices if n.kind is Kind.PRODUCT} == {Key(str(product_id))}
    assert len({n.delivery_id for n in notices}) == len(notices)
    assert len(notices) == len(seat.desk.inbox.arrived)


@pytest.mark.specs
def test_the_vendors_samples_are_understood(specs_dir: Path) -> None:
    understood = {}
    for path in sorted((specs_dir / "bigcommerce" / "webhook-callbacks").glob("*.json")):
        body = json.loads(path.read_text())
        target = target_of(body["scope"], body["data"])
        if target is not None:
            understood[body["scope"]] = target[:2]
    assert understood == {
        "store/category/created": (Kind.CATEGORY, "42"),
        "store/category/deleted": (Kind.CATEGORY, "42"),
        "store/category/updated": (Kind.CATEGORY, "42"),
        "store/product/created": (Kind.PRODUCT, "205"),
        "store/product/deleted": (Kind.PRODUCT, "205"),
        "store/product/inventory/order/updated": (Kind.PRODUCT, "167"),
        "store/product/inventory/updated": (Kind.PRODUCT, "167"),
        "store/product/updated": (Kind.PRODUCT, "205"),
        "store/sku/created": (Kind.PRODUCT, "206"),
        "store/sku/deleted": (Kind.PRODUCT, "206"),
        "store/sku/inventory/order/updated": (Kind.PRODUCT, "206"),
        "store/sku/inventory/updated": (Kind.PRODUCT, "206"),
        "store/sku/updated": (Kind.PRODUCT, "206"),
    }


def test_a_notice_has_all_that_the_delivery_says() -> None:
    seat = Seat()
    (notice,) = delivered(seat, event("store/product/deleted", {"type": "product", "id": 7}))
    assert (notice.kind, notice.key, notice.event) == (Kind.PRODUCT, Key("7"), Event.DELETED)
    assert (notice.cause, notice.priority, notice.connection) == (Cause.WEBHOOK, Priority.DELETE, "shop")
    assert notice.happened_at is not None
    assert notice.happened_at.timestamp() == 1732100000
    assert notice.body_hash is not None
    assert notice.delivery_id is not None
    assert notice.delivery_id.startswith("abc:")


def test_equal_events_are_one_delivery_and_others_are_not() -> None:
    seat = Seat()
    data = {"type": "product", "id": 7}
    (one,) = delivered(seat, event("store/product/updated", data))
    (again,) = delivered(seat, event("store/product/updated", data))
    (later,) = delivered(seat, event("store/product/updated", data, created_at=1732100001))
    (other,) = delivered(seat, event("store/product/updated", data, hash="def"))
    assert one.delivery_id == again.delivery_id
    assert len({one.delivery_id, later.delivery_id, other.delivery_id}) == 3


def test_channel_assignments_concern_the_product() -> None:
    for data in ({"product_id": 9}, {"type": "product", "entity_id": 9, "channel_id": 2}, {"id": 9}):
        (notice,) = delivered(Seat(), event("store/channel/2/product/assigned", data))
        assert (notice.kind, notice.key) == (Kind.PRODUCT, Key("9"))


def test_what_is_none_of_our_business_is_accepted_and_ignored() -> None:
    seat = Seat()
    assert delivered(seat, event("store/order/created", {"type": "order", "id": 1})) == []
    assert delivered(seat, event("store/product/updated", {"id": 1}, producer="stores/another")) == []


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"7",
        b'{"scope": "store/product/updated"}',
        b'{"scope": 1, "data": {}}',
        b'{"scope": "store/product/updated", "data": {"id": "7"}}',
        b'{"scope": "store/product/updated", "data": {"id": true}}',
        b'{"scope": "store/product/updated", "data": {"id": -1}}',
        b'{"scope": "store/product/updated", "data": {"id": 1.5}}',
        b'{"scope": "store/sku/updated", "data": {"id": 7, "sku": [1]}}',
        b'{"scope": "store/product/updated", "data": {"id": 99999999999999999999999}}',
    ],
)
def test_a_genuine_delivery_that_makes_no_sense_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequestError):
        delivered(Seat(), body)


SEAT = Seat()
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["store/product/updated", "store/sku/created", "store/channel/1/product/assigned", "a/b", ""])
    | ODD,
    st.dictionaries(st.sampled_from(["id", "sku", "inventory", "product_id", "entity_id"]), ODD) | ODD,
    ODD,
    ODD,
)
def test_no_genuine_body_raises_anything_else(scope: Any, data: Any, created_at: Any, event_hash: Any) -> None:
    body = {"scope": scope, "data": data, "created_at": created_at, "hash": event_hash}
    try:
        notices = delivered(SEAT, json.dumps(body).encode())
    except BadRequestError:
        return
    assert all(notice.key.isdigit() for notice in notices)
