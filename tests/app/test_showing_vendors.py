"""What vendors tell, as people are shown it."""

import pytest

from storeweave.app.showing_vendors import checked, reported, without_secret
from storeweave.model.errors import LaneBlockedError, TransientError
from storeweave.model.kinds import ConnectionName
from storeweave.ports.connector import Account, HookReport

NAME = ConnectionName("a")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://hub.example/webhooks/a/canary", "https://hub.example/webhooks/a/***"),
        ("https://hub.example/webhooks/a/canary/more", "https://hub.example/webhooks/a/***/more"),
        (
            '422: {"destination": "https://h/webhooks/a/canary", "x": 1}',
            '422: {"destination": "https://h/webhooks/a/***", "x": 1}',
        ),
        ("https://other.example/hook", "https://other.example/hook"),
    ],
)
def test_the_unguessable_part_of_our_addresses_is_never_shown(text: str, shown: str) -> None:
    assert without_secret(text) == shown


def test_a_report_names_what_was_done_to_each_subscription() -> None:
    shown = reported(NAME, HookReport(created=("x",), kept=("y", "z")))
    assert [(hook.scope, hook.state) for hook in shown] == [("x", "created"), ("y", "kept"), ("z", "kept")]
    (failed,) = reported(NAME, TransientError("cannot reach https://h/webhooks/a/canary"))
    assert (failed.state, "canary" in failed.reason) == ("failed", False)


@pytest.mark.parametrize(
    ("account", "state", "words"),
    [
        (Account(fingerprint="1", name="Shop", currency="EUR"), "ok", "Shop (EUR)"),
        (Account(fingerprint="1", name="Shop", missing_scopes=("products",)), "warning", "lacks products"),
        (Account(fingerprint="1", name="Shop", clock_skew_s=-120.0), "warning", "120 s apart"),
        (Account(fingerprint="1", name="Shop", notes=("trial",)), "ok", "trial"),
        (LaneBlockedError("401: renew the token"), "failed", "renew the token"),
    ],
)
def test_an_account_is_judged_by_what_it_says(account: Account, state: str, words: str) -> None:
    shown = checked("a", account)
    assert (shown.state, words in shown.text) == (state, True)
