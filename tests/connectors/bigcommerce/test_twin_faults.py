"""What goes wrong at the twin: tokens, quotas, faults with and without effect, readers that lag."""

from __future__ import annotations

import json

import pytest

from storeweave.connectors.bigcommerce.twin import PLANS, TwinSettings
from storeweave.model.errors import NotSentError, UnknownOutcomeError
from storeweave.twinkit.faults import HAS_EFFECT, Fault, FaultRates
from tests.connectors.bigcommerce.desk import Desk

PRODUCTS = "/catalog/products"
MUG = {"name": "Mug", "sku": "MUG", "type": "physical", "weight": 1, "price": 1}


async def test_a_wrong_token_is_401_and_a_reading_one_may_not_write() -> None:
    desk = Desk()
    desk.token = "wrong"
    await desk.call("GET", PRODUCTS, status=401)
    desk.token = "twin-read"
    await desk.call("GET", PRODUCTS)
    await desk.call("POST", PRODUCTS, MUG, status=403)
    desk.token = "twin-token"
    await desk.call("GET", "/catalog/nothing", status=404)
    await desk.call("PUT", "/catalog/summary", {}, status=405)
    answer = await desk.send("POST", PRODUCTS)
    assert answer.status == 400


async def test_the_quota_of_the_plan_is_shown_and_enforced() -> None:
    desk = Desk(TwinSettings(quota=PLANS["standard"]))
    for number in range(150):
        answer = await desk.send("GET", "/catalog/summary")
        assert answer.status == 200
        assert answer.headers["x-rate-limit-requests-left"] == str(149 - number)
        desk.clock.push(0.1)
    answer = await desk.send("GET", "/catalog/summary")
    assert answer.status == 429
    assert answer.headers["x-rate-limit-requests-quota"] == "150"
    assert answer.headers["x-rate-limit-time-window-ms"] == "30000"
    assert answer.headers["x-rate-limit-time-reset-ms"] in {"15000", "15001"}
    desk.clock.push(15.001)
    assert (await desk.send("GET", "/catalog/summary")).status == 200


@pytest.mark.parametrize("fault", list(Fault))
async def test_each_fault_has_its_effect_or_none(fault: Fault) -> None:
    desk = Desk()
    desk.twin.faults.set(FaultRates(**{fault.value: 1.0}, late_s=(3, 3), slow_s=(2, 2)))  # type: ignore[arg-type]
    try:
        answer = await desk.send("POST", PRODUCTS, MUG, timeout_s=5)
        outcome = str(answer.status)
    except UnknownOutcomeError:
        outcome = "unknown"
    desk.twin.faults.set(None)
    expected = {
        Fault.LIMITED: {"429"},
        Fault.OVERLOADED: {"429"},
        Fault.FAILED_BEFORE: {"500", "503"},
        Fault.FAILED_AFTER: {"500", "502", "504"},
        Fault.PAGE: {"200"},
        Fault.ERROR_200: {"200"},
        Fault.SLOW: {"200"},
    }
    assert outcome in expected.get(fault, {"unknown"})
    desk.clock.push(5)
    desk.twin.settle()
    assert bool(desk.twin.shop.entries) is (fault in HAS_EFFECT)


async def test_a_request_without_an_answer_lands_late() -> None:
    desk = Desk()
    desk.twin.faults.set(FaultRates(late=1.0, late_s=(7, 7), on="writes"))
    with pytest.raises(UnknownOutcomeError):
        await desk.send("POST", PRODUCTS, MUG, timeout_s=5)
    assert desk.clock.monotonic() == 5
    assert await desk.data("GET", PRODUCTS) == []
    desk.clock.push(2)
    assert [product["sku"] for product in await desk.data("GET", PRODUCTS)] == ["MUG"]


async def test_an_answer_slower_than_the_caller_waits_lands_all_the_same() -> None:
    desk = Desk()
    desk.twin.faults.set(FaultRates(slow=1.0, slow_s=(9, 9), on="writes"))
    with pytest.raises(UnknownOutcomeError):
        await desk.send("POST", PRODUCTS, MUG, timeout_s=5)
    assert await desk.data("GET", PRODUCTS) == []
    desk.clock.push(4)
    assert len(await desk.data("GET", PRODUCTS)) == 1


async def test_a_late_effect_has_the_bytes_that_were_fetched_for_it() -> None:
    desk = Desk()
    made = await desk.create()
    other = await desk.create("Cup", "CUP")
    desk.merchant.add_image("MUG", "front")
    (image,) = await desk.data("GET", f"{PRODUCTS}/{made['id']}/images")
    desk.twin.faults.set(FaultRates(late=1.0, late_s=(7, 7), on="writes"))
    with pytest.raises(UnknownOutcomeError):
        await desk.send("POST", f"{PRODUCTS}/{other['id']}/images", {"image_url": image["url_zoom"]}, timeout_s=1)
    desk.twin.faults.set(None)
    await desk.call("PUT", f"{PRODUCTS}/{made['id']}", {"price": 2})
    desk.clock.push(6)
    assert len(await desk.data("GET", f"{PRODUCTS}/{other['id']}/images")) == 1


async def test_429_without_headers_gives_no_hint() -> None:
    desk = Desk()
    desk.twin.faults.set(FaultRates(overloaded=1.0))
    answer = await desk.send("GET", PRODUCTS)
    assert answer.status == 429
    assert answer.headers.get("x-rate-limit-time-reset-ms") is None
    desk.twin.faults.set(FaultRates(limited=1.0))
    assert (await desk.send("GET", PRODUCTS)).headers["x-rate-limit-requests-left"] == "0"


async def test_an_outage_fails_every_call_until_it_is_over() -> None:
    desk = Desk()
    for mode, error in (("refused", NotSentError), ("reset", UnknownOutcomeError), ("silent", UnknownOutcomeError)):
        desk.twin.faults.outage = mode
        with pytest.raises(error):
            await desk.send("GET", PRODUCTS)
    desk.twin.faults.outage = "503"
    assert (await desk.send("POST", PRODUCTS, MUG)).status == 503
    desk.twin.faults.outage = None
    assert await desk.data("GET", PRODUCTS) == []


async def test_faults_can_be_kept_to_writes_or_to_one_path() -> None:
    desk = Desk()
    desk.twin.faults.set(FaultRates(failed_before=1.0, on="writes", template="/products"))
    await desk.call("GET", PRODUCTS)
    assert (await desk.send("POST", PRODUCTS, MUG)).status >= 500
    await desk.call("POST", "/catalog/brands", {"name": "Acme"})


async def test_the_same_seed_brings_the_same_faults_and_the_same_store() -> None:
    runs = []
    for _ in range(2):
        desk = Desk(TwinSettings(read_lag_s=3, read_lag_share=0.5), seed=11)
        desk.twin.faults.set(FaultRates.evenly(0.5))
        answers: list[object] = []
        for number in range(80):
            body = {**MUG, "name": f"Mug {number}", "sku": f"M-{number}"}
            try:
                answer = await desk.send("POST", PRODUCTS, body)
                answers.append((answer.status, answer.body))
            except UnknownOutcomeError as error:
                answers.append(str(error))
        desk.twin.faults.set(None)
        desk.clock.push(60)
        answers.append(await desk.data("GET", f"{PRODUCTS}?limit=250&include=variants"))
        runs.append(answers)
    assert runs[0] == runs[1]


async def test_readers_may_see_the_version_before_for_a_while() -> None:
    desk = Desk(TwinSettings(read_lag_s=10))
    made = await desk.create()
    path = f"{PRODUCTS}/{made['id']}"
    await desk.call("GET", path, status=404)
    assert await desk.data("GET", f"{PRODUCTS}?sku=MUG") == []
    desk.clock.push(10)
    assert (await desk.data("GET", path))["price"] == 12.5
    await desk.call("PUT", path, {"price": 20, "sku": "CUP"})
    assert (await desk.data("GET", path))["price"] == 12.5
    assert len(await desk.data("GET", f"{PRODUCTS}?sku=MUG")) == 1
    assert await desk.data("GET", f"{PRODUCTS}?sku=CUP") == []
    assert (await desk.data("GET", "/catalog/variants"))[0]["sku"] == "MUG"
    desk.clock.push(10)
    assert len(await desk.data("GET", f"{PRODUCTS}?sku=CUP")) == 1
    await desk.call("DELETE", path, status=204)
    assert (await desk.data("GET", path))["sku"] == "CUP"
    desk.clock.push(10)
    await desk.call("GET", path, status=404)


async def test_every_call_is_counted_by_its_template() -> None:
    desk = Desk()
    made = await desk.create()
    await desk.call("GET", f"{PRODUCTS}/{made['id']}")
    await desk.call("PUT", f"{PRODUCTS}/{made['id']}", {"price": 2})
    summary = json.loads(json.dumps(desk.twin.calls.summary()))
    assert summary["by_route"] == {
        "GET /v3/catalog/products/{product_id}": 1,
        "POST /v3/catalog/products": 1,
        "PUT /v3/catalog/products/{product_id}": 1,
    }
    assert (desk.twin.calls.reads, desk.twin.calls.writes) == (1, 2)
    desk.twin.calls.reset()
    assert (desk.twin.calls.reads, desk.twin.calls.writes) == (0, 0)
