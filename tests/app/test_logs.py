"""What is logged, and above all what is not."""

import io
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from storeweave.access.secrets import MASK, Secret
from storeweave.app.logs import masking, set_up_logs
from storeweave.model.kinds import Kind

CANARY = "canary-4711-secret"


def logged(form: str = "json", level: str = "info", **values: Any) -> str:
    out = io.StringIO()
    set_up_logs(level=level, form=form, secrets=[Secret(CANARY)], stream=out)
    structlog.get_logger("test").info("change.written", **values)
    return out.getvalue()


def test_an_event_is_one_json_line_with_time_and_level() -> None:
    (line,) = logged(
        flow="main", key="17", kind=Kind.PRODUCT, price=Decimal("1.10"), at=datetime(2026, 1, 1, tzinfo=UTC)
    ).splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["kind"]) == ("change.written", "info", "product")
    assert (event["price"], event["at"]) == ("1.10", "2026-01-01T00:00:00+00:00")
    assert event["timestamp"].endswith("Z")


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    "values",
    [
        {"reason": f"GET https://x/?t={CANARY} failed"},
        {"access_token": "other"},
        {"headers": {"Authorization": "other", "x": CANARY}},
        {"settings": Secret("other")},
        {"many": [CANARY, {"password": "other"}]},
        {"error": ValueError(CANARY)},
        {"thing": object()},
    ],
)
def test_no_secret_reaches_the_log(form: str, values: Mapping[str, Any]) -> None:
    text = logged(form, **values)
    assert CANARY not in text
    assert "other" not in text
    assert "change.written" in text


def test_a_traceback_shows_no_values_of_variables() -> None:
    out = io.StringIO()
    set_up_logs(form="console", secrets=[Secret(CANARY)], stream=out)
    try:
        hidden = "value-of-a-variable"
        raise ValueError(f"with {CANARY}, {len(hidden)}")
    except ValueError:
        structlog.get_logger("test").exception("key.bug")
    assert "ValueError: with ***" in out.getvalue()
    assert CANARY not in out.getvalue()
    assert "value-of-a-variable" not in out.getvalue()


def test_libraries_log_in_the_same_form_and_only_what_matters() -> None:
    out = io.StringIO()
    set_up_logs(form="json", secrets=[Secret(CANARY)], stream=out)
    logging.getLogger("httpcore2").info("GET %s", CANARY)
    logging.getLogger("uvicorn.error").warning("cannot use %s", CANARY)
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["event"] == f"cannot use {MASK}"
    assert json.loads(line)["logger"] == "uvicorn.error"


def test_less_important_events_are_left_out() -> None:
    assert logged(level="warning") == ""


def test_long_texts_are_cut() -> None:
    assert len(logged(body="x" * 50_000)) < 3000


@given(
    st.recursive(
        st.one_of(st.none(), st.text(), st.floats(), st.binary(), st.just(CANARY), st.just(Secret(CANARY))),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.one_of(st.text(), st.just(CANARY)), inner)),
    )
)
def test_whatever_is_logged_the_secret_is_not(value: Any) -> None:
    event = masking([Secret(CANARY)])(None, "info", {"event": "x", "value": value})
    assert CANARY not in repr(event)


class FullDisk(io.StringIO):
    """Takes nothing."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    set_up_logs(level="info", form="json", stream=FullDisk())
    structlog.get_logger("test").info("change.written")
    logging.getLogger("library").warning("beware")
