"""Webhooks are believed only with a genuine signature, or with our secret; nothing else, however malformed."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from storeweave.connectors.bigcommerce.signatures import SECRET_HEADER, verify
from storeweave.model.errors import BadSignatureError

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "a-client-secret-0123456789"
OURS = "our-own-secret"


def signed(body: bytes, *, message_id: str = "msg_1", at: datetime = NOW, secret: str = SECRET) -> dict[str, str]:
    """Headers as the reference library of Standard Webhooks makes them; it wants the key in base64."""
    library = Webhook(base64.b64encode(secret.encode()).decode())
    signature = library.sign(message_id, at, body.decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def check(headers: dict[str, str], body: bytes, **given_: Any) -> None:
    values: dict[str, Any] = {"now": NOW, "client_secret": SECRET, "hook_secret": None, **given_}
    verify(headers, body, **values)


@given(st.text(), st.from_regex(r"[A-Za-z0-9_\-]{1,64}", fullmatch=True), st.text(min_size=1, max_size=64))
def test_what_the_reference_library_signs_is_genuine(text: str, message_id: str, secret: str) -> None:
    body = text.encode("utf-8", "ignore")
    key = secret.encode("utf-8", "ignore").decode() or "x"
    check(signed(body, message_id=message_id, secret=key), body, client_secret=key)


@given(st.binary(min_size=1, max_size=64), st.data())
def test_any_other_body_is_refused(other: bytes, data: st.DataObject) -> None:
    body = b'{"scope": "store/product/updated"}'
    if other != body:
        with pytest.raises(BadSignatureError):
            check(signed(body), other)


@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", SECRET_HEADER, "other"]),
        st.text() | st.sampled_from(["v1,", "v1,é", "v2,AAAA", "v1,%%%", "1e9", "-1", "9" * 400, "msg_1"]),
    ),
    st.binary(),
)
def test_nonsense_is_refused_and_never_crashes(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(BadSignatureError):
        check(headers, body, hook_secret=OURS)


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed(b"{}")
    genuine = headers["webhook-signature"]
    headers["webhook-signature"] = f"v1,AAAA v2,{genuine[3:]} nonsense {genuine}"
    check(headers, b"{}")
    headers["webhook-signature"] = f"v1,AAAA v2,{genuine[3:]} nonsense"
    with pytest.raises(BadSignatureError):
        check(headers, b"{}")


def test_too_many_signatures_are_not_tried() -> None:
    headers = signed(b"{}")
    headers["webhook-signature"] = "v1,AAAA " * 100 + headers["webhook-signature"]
    with pytest.raises(BadSignatureError):
        check(headers, b"{}")


@pytest.mark.parametrize("seconds", [301, -301, 86_400])
def test_old_and_future_messages_are_refused(seconds: int) -> None:
    with pytest.raises(BadSignatureError):
        check(signed(b"{}"), b"{}", now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [299, -299])
def test_clocks_may_differ_by_five_minutes(seconds: int) -> None:
    check(signed(b"{}"), b"{}", now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_signature_without_one_of_its_headers_is_refused_even_with_our_secret(name: str) -> None:
    headers = {**signed(b"{}"), SECRET_HEADER: OURS}
    del headers[name]
    with pytest.raises(BadSignatureError):
        check(headers, b"{}", hook_secret=OURS)


def test_our_secret_is_enough_where_nothing_is_signed() -> None:
    check({SECRET_HEADER: OURS}, b"{}", hook_secret=OURS)
    check({SECRET_HEADER: OURS}, b"{}", hook_secret=OURS, client_secret=None)


def test_a_wrong_secret_is_refused_even_with_a_signature() -> None:
    with pytest.raises(BadSignatureError):
        check({**signed(b"{}"), SECRET_HEADER: "wrong"}, b"{}", hook_secret=OURS)


def test_a_signature_that_cannot_be_checked_proves_nothing() -> None:
    with pytest.raises(BadSignatureError):
        check(signed(b"{}"), b"{}", client_secret=None)
    check({**signed(b"{}"), SECRET_HEADER: OURS}, b"{}", client_secret=None, hook_secret=OURS)


def test_without_any_secret_nothing_is_genuine() -> None:
    with pytest.raises(BadSignatureError):
        check({**signed(b"{}"), SECRET_HEADER: ""}, b"{}", client_secret=None, hook_secret=None)
