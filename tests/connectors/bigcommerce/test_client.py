"""Manners on the wire: verdicts, rate limits, redaction, leave before each write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from storeweave.connectors.bigcommerce import BigCommerceSettings
from storeweave.connectors.bigcommerce.client import Client
from storeweave.connectors.bigcommerce.verdicts import problem_text, refused_code
from storeweave.model.errors import (
    LaneBlockedError,
    LeaseLostError,
    NotSentError,
    RateLimitedError,
    RefusedError,
    StoreweaveError,
    TransientError,
    UnknownOutcomeError,
)
from storeweave.model.records import Priority
from storeweave.ports.permit import Permit
from storeweave.ports.transport import Request, Response
from tests.connectors.bigcommerce.seat import FREE, Purse
from tests.virtual_clock import VirtualClock

LIMITS = {
    "x-rate-limit-requests-left": "12",
    "x-rate-limit-requests-quota": "150",
    "x-rate-limit-time-window-ms": "30000",
    "x-rate-limit-time-reset-ms": "4500",
}


class Says:
    """A transport that answers the same to everything, or raises."""

    def __init__(self, status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> None:
        self.answer: Response | StoreweaveError = Response(status=status, body=body, headers=headers or {})
        self.requests: list[Request] = []

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        self.requests.append(request)
        if isinstance(self.answer, StoreweaveError):
            raise self.answer
        return self.answer


def client_on(transport: Says, purse: Purse | None = None) -> Client:
    settings = BigCommerceSettings.model_validate(
        {"store_hash": "abc", "access_token": "s3cret-token", "client_secret": "s3cret-client"}
    )
    return Client(settings, transport=transport, budget=purse or Purse(), clock=VirtualClock())


async def written(client: Client, permit: Permit = FREE) -> Any:
    return await client.write("PUT", "/catalog/products", permit, [{"id": 1}], expect=(200,))


@pytest.mark.parametrize(
    ("status", "write_means", "read_means"),
    [
        (301, UnknownOutcomeError, RefusedError),
        (204, UnknownOutcomeError, RefusedError),
        (400, RefusedError, RefusedError),
        (401, LaneBlockedError, LaneBlockedError),
        (403, LaneBlockedError, LaneBlockedError),
        (404, RefusedError, RefusedError),
        (408, UnknownOutcomeError, TransientError),
        (409, RefusedError, RefusedError),
        (413, RefusedError, RefusedError),
        (422, RefusedError, RefusedError),
        (423, UnknownOutcomeError, TransientError),
        (429, RateLimitedError, RateLimitedError),
        (500, UnknownOutcomeError, TransientError),
        (502, UnknownOutcomeError, TransientError),
        (503, UnknownOutcomeError, TransientError),
        (504, UnknownOutcomeError, TransientError),
        (599, UnknownOutcomeError, TransientError),
    ],
)
async def test_each_status_means_one_thing(
    status: int, write_means: type[StoreweaveError], read_means: type[StoreweaveError]
) -> None:
    client = client_on(Says(status))
    with pytest.raises(write_means) as wrote:
        await written(client)
    assert type(wrote.value) is write_means
    with pytest.raises(read_means) as got:
        await client.get("/catalog/products", FREE)
    assert type(got.value) is read_means


async def test_a_call_without_an_answer_is_unknown_for_writes_and_harmless_for_reads() -> None:
    transport = Says()
    transport.answer = UnknownOutcomeError("no answer")
    with pytest.raises(UnknownOutcomeError):
        await written(client_on(transport))
    with pytest.raises(TransientError) as got:
        await client_on(transport).get("/catalog/products", FREE)
    assert not isinstance(got.value, UnknownOutcomeError)
    transport.answer = NotSentError("no connection")
    with pytest.raises(NotSentError):
        await written(client_on(transport))


async def test_every_answer_teaches_the_budget() -> None:
    purse = Purse()
    await client_on(Says(200, headers=LIMITS), purse).get("/catalog/products", FREE)
    await client_on(Says(200), purse).get("/catalog/products", FREE)
    await client_on(Says(200, headers={"x-rate-limit-requests-left": "many"}), purse).get("/time", FREE)
    assert purse.learnt == [(12, 150, 4.5)]


async def test_a_429_holds_all_calls_until_the_window_ends() -> None:
    purse = Purse()
    with pytest.raises(RateLimitedError) as caught:
        await written(client_on(Says(429, headers=LIMITS), purse))
    assert caught.value.wait_s == 4.5
    assert purse.held == [4.5]


async def test_a_429_without_quota_headers_holds_them_longer_each_time() -> None:
    purse = Purse()
    transport = Says(429)
    client = client_on(transport, purse)
    for _ in range(6):
        with pytest.raises(RateLimitedError):
            await written(client)
    assert purse.held == [30, 60, 120, 240, 300, 300]
    transport.answer = Response(status=200, body=b"{}")
    await written(client)
    transport.answer = Response(status=429, headers={"retry-after": "77"})
    with pytest.raises(RateLimitedError):
        await written(client)
    assert purse.held[-1] == 77


async def test_each_call_is_paid_with_the_priority_of_its_permit() -> None:
    purse = Purse()
    client = client_on(Says(), purse)
    await client.get("/catalog/products", Permit(priority=Priority.SWEEP))
    await written(client, Permit(priority=Priority.DELETE))
    assert purse.spent == [Priority.SWEEP, Priority.DELETE]


async def test_leave_is_asked_after_waiting_for_the_budget_and_just_before_sending() -> None:
    order: list[str] = []

    class Slow(Purse):
        async def spend(self, priority: Priority) -> None:
            order.append("spend")

    class Wire(Says):
        async def send(self, request: Request, *, timeout_s: float) -> Response:
            order.append("send")
            return await super().send(request, timeout_s=timeout_s)

    await written(client_on(Wire(), Slow()), Permit(check=lambda: order.append("check")))
    assert order == ["spend", "check", "send"]


async def test_without_leave_nothing_is_sent() -> None:
    def refuse() -> None:
        raise LeaseLostError("somebody else has the lane")

    transport = Says()
    with pytest.raises(LeaseLostError):
        await written(client_on(transport), Permit(check=refuse))
    assert transport.requests == []


async def test_the_token_is_in_the_header_and_nowhere_else() -> None:
    body = b'{"status": 422, "title": "s3cret-token is wrong, s3cret-client, too", "errors": {}}'
    transport = Says(422, body)
    with pytest.raises(RefusedError) as caught:
        await written(client_on(transport))
    assert "s3cret" not in str(caught.value)
    assert transport.requests[0].headers["x-auth-token"] == "s3cret-token"
    assert "s3cret" not in transport.requests[0].url
    settings = BigCommerceSettings.model_validate({"store_hash": "abc", "access_token": "s3cret-token"})
    assert "s3cret" not in f"{settings!r} {settings}"


async def test_saved_in_part_is_told_apart() -> None:
    body = b'{"data": [], "errors": {"status": 207, "title": "In part", "errors": {"0.custom_url": "is taken"}}}'
    answer = await written(client_on(Says(207, body)))
    assert answer.problem == "In part; 0.custom_url: is taken"


async def test_values_in_addresses_are_encoded() -> None:
    transport = Says()
    await client_on(transport).get("/catalog/products", FREE, [("sku:in", "A&B,C+D,Ü/1"), ("name", "50% #1")])
    assert transport.requests[0].url.endswith("/v3/catalog/products?sku:in=A%26B,C%2BD,%C3%9C%2F1&name=50%25%20%231")


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (409, "sku: The SKU is a duplicate", "duplicate"),
        (409, "The product name already exists", "duplicate"),
        (422, "name: must be unique", "duplicate"),
        (409, "name conflict", "duplicate"),
        (409, "The category_id 5 is invalid", "missing-reference"),
        (409, "something else", "conflict"),
        (422, "price: must be positive", "invalid"),
        (404, "", "missing"),
        (413, "", "too-large"),
    ],
)
def test_refusals_are_grouped_by_what_can_be_done(status: int, text: str, code: str) -> None:
    assert refused_code(status, text) == code


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        ({"status": 422, "title": "Invalid", "errors": {"a": "x", "b": {"c": "y"}}}, "Invalid; a: x; b.c: y"),
        ({"title": "Invalid", "errors": ["x", "y"]}, "Invalid; x; y"),
        ([{"status": 404, "message": "gone"}, {"status": 1, "message": "more"}], "gone; more"),
        ({"batch_errors": [{"status": 422, "title": "T", "errors": {"0.sku": "x"}}]}, "T; 0.sku: x"),
        ("text", ""),
        (None, ""),
        ({"errors": None}, ""),
    ],
)
def test_errors_of_every_shape_can_be_read(problem: Any, text: str) -> None:
    assert problem_text(problem) == text
