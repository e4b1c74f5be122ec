"""Numbers and queries on the wire, and the way to a handler."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.twinkit.router import Route, Router
from storeweave.twinkit.wire import Answer, Call, decode, encode, rounded


@given(st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False))
def test_a_number_is_kept_to_four_places_once_and_for_all(value: Decimal) -> None:
    kept = rounded(value)
    assert abs(kept - value) <= Decimal("0.00005")
    assert rounded(kept) == kept
    assert decode(encode({"n": kept}))["n"] == kept
    assert "E" not in str(kept)


@pytest.mark.parametrize(
    ("text", "kept"), [("12.50", "12.5"), ("10.0", "10"), ("0.00005", "0.0001"), ("1E+3", "1000"), ("-0.0", "0")]
)
def test_numbers_are_written_as_people_write_them(text: str, kept: str) -> None:
    assert encode(rounded(Decimal(text))).decode() == kept


def test_a_query_is_decoded_once_and_lists_are_joined() -> None:
    call = Call("GET", "/", query_string="id:in=1%2C2&name=a%20b&sku[]=x&sku[]=y&empty=")
    assert call.query == {"id:in": "1,2", "name": "a b", "sku": "x,y", "empty": ""}
    assert call.query is call.query


def _answer(_world: object, call: Call, *ids: int) -> Answer:
    return Answer(200, f"{call.path} {ids}".encode())


ROUTER = Router(
    Route(method=method, template=template, handler=_answer)
    for method, template in (
        ("GET", "/products"),
        ("POST", "/products"),
        ("GET", "/products/{id}"),
        ("GET", "/products/{id}/images/{image}"),
        ("GET", "/products/summary"),
    )
)


@pytest.mark.parametrize(
    ("method", "path", "template", "ids", "known"),
    [
        ("GET", "/products", "/products", (), True),
        ("GET", "/products/", "/products", (), True),
        ("GET", "/products/12", "/products/{id}", (12,), True),
        ("GET", "/products/summary", "/products/summary", (), True),
        ("GET", "/products/12/images/7", "/products/{id}/images/{image}", (12, 7), True),
        ("DELETE", "/products", None, (), True),
        ("GET", "/products/x", None, (), False),
        ("GET", "/products/12/images", None, (12,), False),
        ("GET", "/brands", None, (), False),
    ],
)
def test_a_path_leads_to_its_handler(
    method: str, path: str, template: str | None, ids: tuple[int, ...], known: bool
) -> None:
    route, found, exists = ROUTER.find(method, path)
    assert (route.template if route else None, exists) == (template, known)
    assert found == ids


def test_two_handlers_for_one_operation_are_a_mistake() -> None:
    twice = [Route(method="GET", template="/a", handler=_answer)] * 2
    with pytest.raises(ValueError, match="two routes"):
        Router(twice)
