"""A secret shows itself to nobody who does not ask."""

import json
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from storeweave.access.secrets import MASK, Secret, redact

CANARY = "sw-canary-9f2c"


class Settings(BaseModel):
    token: Secret


def test_a_secret_is_masked_in_every_ordinary_way_of_showing_it() -> None:
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>30}",
        " ".join(map(str, [secret])),
        repr({"token": secret}),
    ]
    assert not [text for text in shown if CANARY in text]


def test_settings_take_a_secret_as_text_and_never_give_it_back() -> None:
    settings = Settings.model_validate({"token": CANARY})
    assert settings.token.reveal() == CANARY
    assert Settings(token=settings.token).token is settings.token
    assert json.loads(settings.model_dump_json()) == {"token": MASK}
    assert CANARY not in repr(settings) + str(settings.model_dump())


def test_an_empty_secret_is_refused_by_settings() -> None:
    with pytest.raises(ValidationError, match="at least 1 character"):
        Settings.model_validate({"token": ""})


def test_a_secret_does_not_leave_the_process_by_pickling() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(CANARY))


def test_a_traceback_with_a_secret_in_hand_does_not_show_it() -> None:
    def fail(secret: Secret) -> None:
        raise ValueError(f"cannot use {secret}")

    with pytest.raises(ValueError) as caught:
        fail(Secret(CANARY))
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_secrets_are_compared_by_their_text() -> None:
    assert Secret("a-b") == Secret("a-b")
    assert Secret("a-b") != Secret("a-c")
    assert Secret("a-b") != "a-b"
    assert Secret("ä").matches("ä")
    assert not Secret("ä").matches("\udce4")
    assert len({Secret("a-b"), Secret("a-b")}) == 1


@given(st.text(), st.lists(st.text(min_size=4), max_size=4), st.text())
def test_redacted_text_holds_no_secret(before: str, texts: list[str], after: str) -> None:
    secrets = [Secret(t) for t in texts if MASK not in t and "*" not in t]
    shown = redact(before.replace("*", "") + "".join(texts) + after.replace("*", ""), secrets)
    assert not [s for s in secrets if s.reveal() in shown]


def test_a_longer_secret_is_redacted_before_one_that_it_contains() -> None:
    assert redact("x abcdefgh y", [Secret("abcd"), Secret("abcdefgh")]) == "x *** y"
