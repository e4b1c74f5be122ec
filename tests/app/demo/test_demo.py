"""The demo as a person or a script starts it, and demos of worlds in which something is broken."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple
from urllib.request import Request as Asked
from urllib.request import urlopen

import msgspec
import pytest
from rich.console import Console

from storeweave.app.demo.goods import FEWEST_PRODUCTS
from storeweave.app.demo.live import LiveView
from storeweave.app.demo.run import Choices, Document, demo, main
from storeweave.app.demo.steps import Patience
from storeweave.app.demo.view import PlainView, View
from storeweave.app.demo.world import Ground, Through
from storeweave.model.errors import NotSentError
from storeweave.ports.clock import SystemClock
from storeweave.ports.transport import Request, Response, Transport

COMMAND = [sys.executable, "-m", "storeweave.app.demo", "--products", str(FEWEST_PRODUCTS)]
PLAIN = {**os.environ, "NO_COLOR": "1", "COLUMNS": "80"}
STEPS = [
    "nothing-changed",
    "price",
    "description",
    "new-variant",
    "variant-price",
    "new-image",
    "image-order",
    "image-deleted",
    "category-moved",
    "category-renamed",
    "brand-renamed",
    "new-product",
    "sku-renamed",
    "listing",
    "product-deleted",
    "mass-delete",
    "brake-released",
    "drift",
    "outage",
    "recovery",
    "poison",
    "poison-cured",
    "late-and-doubled",
    "forged",
    "slip",
    "undo",
    "corrected",
]


class Ran(NamedTuple):
    """One whole run, and an edit of a person afterwards."""

    code: int
    document: Document
    told: str
    status: dict[str, object]


@pytest.fixture(scope="module")
def once() -> Ran:
    """For scripts, and left open: stores and hub are talked to as a person would, then it is interrupted."""
    with subprocess.Popen(
        [*COMMAND, "--once", "--json", "--stay"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=PLAIN
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            told = _read_until("/api/v1/status", process.stderr)
            edit = re.search(r"curl -X PUT (\S+) .*?X-Auth-Token: ([^']+)'.*?-d '([^']+)'", told, re.DOTALL)
            status = re.search(r"curl (\S+/api/v1/status)", told)
            assert edit, told
            assert status, told
            _ask("PUT", edit[1], edit[3].encode(), edit[2])
            told += _read_until("price: ", process.stderr)
            answer = _ask("GET", status[1])
            process.send_signal(signal.SIGINT)
            text = process.stdout.read()
            return Ran(process.wait(), msgspec.json.decode(text, type=Document), told, answer)
        finally:
            process.kill()


def _read_until(words: str, stream: IO[str]) -> str:
    said: list[str] = []
    for line in stream:
        said.append(line)
        if words in line:
            break
    return "".join(said)


def test_the_stores_agree_in_the_end(once: Ran) -> None:
    told = once.document
    assert [(step.name, step.note) for step in told.steps if not step.ok] == []
    assert told.agreement.differences == ()
    assert (once.code, told.verdict, told.agreement.agreement, told.agreement.hub_agrees) == (0, "agree", 1.0, True)


def test_every_step_is_told_with_what_it_took(once: Ran) -> None:
    told = once.document
    assert [step.name for step in told.steps] == STEPS
    steps = {step.name: step for step in told.steps}
    assert all(step.title in once.told for step in told.steps)
    assert told.load.done
    assert told.load.written == told.load.total
    measured = told.agreement.latency
    assert measured.count > 0
    assert measured.p50_ms is not None
    assert measured.p99_ms is not None
    assert measured.p50_ms <= measured.p99_ms
    assert steps["price"].notice == "product/updated"


def test_each_sort_of_edit_takes_the_fewest_writes(once: Ran) -> None:
    writes = {step.name: step.calls.writes_b for step in once.document.steps}
    one = ("price", "description", "variant-price", "new-image", "image-deleted", "category-moved", "brand-renamed")
    assert {name: writes[name] for name in one} == dict.fromkeys(one, 1)
    none = ("nothing-changed", "outage", "forged", "corrected")
    assert {name: writes[name] for name in none} == dict.fromkeys(none, 0)


def test_what_needed_a_person_is_told_with_its_reason(once: Ran) -> None:
    steps = {step.name: step for step in once.document.steps}
    assert "the brake holds" in steps["mass-delete"].note
    assert "price 1 in B, source won" in steps["drift"].note
    assert "422" in steps["poison"].note
    assert "2 deliveries of one event, 1 kept" in steps["late-and-doubled"].note
    assert "401, 401, 401" in steps["forged"].note


def test_with_stay_an_edit_in_store_a_is_seen_to_arrive_until_it_is_interrupted(once: Ran) -> None:
    assert "webhook → update product" in once.told.splitlines()[-1]
    assert "price: 94.5 → 99.5" in once.told.splitlines()[-1]
    assert once.status["verdict"] in {"in agreement", "working"}
    assert once.code == 0


def _ask(method: str, url: str, body: bytes | None = None, token: str = "") -> dict[str, object]:
    asked = Asked(url, data=body, method=method)
    asked.add_header("content-type", "application/json")
    asked.add_header("x-auth-token", token)
    with urlopen(asked) as answer:
        found: dict[str, object] = json.loads(answer.read())
    return found


@pytest.mark.parametrize("arguments", [["--products", "5"], ["--speed", "0"], ["--nonsense"]])
def test_wrong_options_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert "storeweave demo" in capsys.readouterr().err


# --- broken worlds --------------------------------------------------------------------------------------------------

IMPATIENT = Patience(step_s=0.3, rest_s=0.3, load_s=4.0)


class Between:
    """Stands between the hub and the stores, and does as it is told with each request."""

    def __init__(self, inner: Transport, change: Callable[[Request], Request]) -> None:
        self._inner = inner
        self._change = change

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        return await self._inner.send(self._change(request), timeout_s=timeout_s)


def dropping_writes(request: Request) -> Request:
    if request.method != "GET" and "store-b" in request.url:
        raise NotSentError("the line is cut")
    return request


def with_a_wrong_price(request: Request) -> Request:
    return msgspec.structs.replace(request, body=request.body.replace(b'"price":94.5', b'"price":95.5'))


def through(change: Callable[[Request], Request]) -> Through:
    return lambda inner: Between(inner, change)


def played(folder: Path, change: Callable[[Request], Request], view: View) -> Document:
    return asyncio.run(
        demo(
            Choices(products=FEWEST_PRODUCTS),
            view,
            folder,
            Ground(latency_s=0.0, probe_s=0.2),
            clock=SystemClock(),
            patience=IMPATIENT,
            through=through(change),
        )
    )


@pytest.mark.slow
def test_a_hub_whose_writes_are_lost_ends_in_exit_code_1(tmp_path: Path) -> None:
    told = io.StringIO()
    result = played(tmp_path, dropping_writes, PlainView(told))
    assert (result.exit_code, result.verdict, result.load.done, result.steps) == (1, "disagree", False, ())
    assert result.agreement.agreement < 0.1
    assert "do NOT agree" in told.getvalue()


@pytest.mark.slow
def test_a_value_that_arrives_wrong_is_a_failed_step_and_a_difference(tmp_path: Path) -> None:
    screen = io.StringIO()
    view = LiveView(Console(file=screen, width=80, force_terminal=True, no_color=True))
    result = played(tmp_path, with_a_wrong_price, view)
    view.close()
    assert (result.exit_code, result.verdict) == (1, "disagree")
    failed = {step.name: step.note for step in result.steps if not step.ok}
    assert "did not arrive within 0.3 s" in failed["price"]
    assert any(text.startswith("product THROW price") for text in result.agreement.differences)
    assert "The stores do NOT agree" in screen.getvalue()
