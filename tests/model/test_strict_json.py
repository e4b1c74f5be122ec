"""JSON from outside is read one way or not at all."""

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.model.errors import BadRequestError
from storeweave.model.strict_json import read_strictly

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(PLAIN)
def test_plain_json_reads_as_what_it_says(value: Any) -> None:
    assert read_strictly(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_fractions_are_exact(number: Decimal) -> None:
    assert read_strictly(f'{{"price": {number:f}}}'.encode())["price"] == number


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b'{"a": 1, "a": 2}',
        b'[{"deep": {"a": 1, "b": 2, "a": 3}}]',
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b'"\xff"',
        b'\xef\xbb\xbf{"a": 1}',
        b'["\\ud800"]',
        b'{"\\udc00": 1}',
        b"[1e999999999999999999999]",
        b"[" + b"9" * 5000 + b"]",
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b"[" + b",".join([b"1"] * 10_001) + b"]",
        b"{" + b",".join(b'"%d":1' % i for i in range(10_001)) + b"}",
        b'{"a": 1} {"b": 2}',
    ],
)
def test_anything_else_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequestError):
        read_strictly(body)


def test_brackets_in_texts_are_no_depth() -> None:
    text = '[{"' * 60
    assert read_strictly(json.dumps([text, '\\"[[[']).encode()) == [text, '\\"[[[']


def test_what_is_just_allowed_is_allowed() -> None:
    assert read_strictly(b"[" * 64 + b"]" * 64)
    assert len(read_strictly(b"[" + b",".join([b"1"] * 10_000) + b"]")) == 10_000


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_bad_request(body: bytes) -> None:
    with contextlib.suppress(BadRequestError):
        read_strictly(body)
