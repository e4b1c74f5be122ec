"""The command line as an operator uses it: two twin stores as servers, first without a running hub, then with one."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
PROGRAM = [sys.executable, "-c", "from storeweave.app.cli import main; main()"]
TWIN = [*PROGRAM, "twin", "bigcommerce"]


@dataclass
class Twin:
    """A twin store that runs as a process of its own."""

    process: subprocess.Popen[str]
    facts: dict[str, Any]

    def change(self, product: int, **fields: object) -> None:
        """A merchant's edit."""
        request = urllib.request.Request(
            f"{self.facts['api_url']}/catalog/products/{product}",
            method="PUT",
            data=json.dumps(fields).encode(),
            headers={"x-auth-token": "twin-token", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def product(self, number: int) -> dict[str, Any]:
        """A product as the shop shows it."""
        url = f"{self.facts['api_url']}/catalog/products/{number}"
        request = urllib.request.Request(url, headers={"x-auth-token": "twin-token"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)["data"]
        return found


def start_twin(name: str, products: int) -> Twin:
    process = subprocess.Popen(
        [*TWIN, "--store-hash", name, "--products", str(products), "--hook-time-scale", "0.01"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    return Twin(process, json.loads(process.stdout.readline()))


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=PATIENCE_S)
    if process.stdout is not None:
        process.stdout.close()
    return code


@pytest.fixture
def twins() -> Iterator[tuple[Twin, Twin]]:
    made = (start_twin("aaa", 12), start_twin("bbb", 0))
    yield made
    for twin in made:
        stop(twin.process)


@dataclass
class Operator:
    """Somebody at a terminal."""

    folder: Path

    def run(self, *arguments: str, expect: int = 0) -> str:
        done = subprocess.run(
            [*PROGRAM, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "twin-token" not in done.stdout + done.stderr
        return done.stdout

    def json(self, *arguments: str, expect: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", expect=expect))

    def start(self, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        """Start a server; its address."""
        process = subprocess.Popen(
            [*PROGRAM, *arguments], cwd=self.folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("listening at "):
                return process, line.removeprefix("listening at ").strip()
        raise AssertionError(f"{arguments} ended with {process.wait()} before it listened")


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, f"waited in vain until {what}"
        time.sleep(0.05)


@pytest.fixture
def operator(tmp_path: Path, twins: tuple[Twin, Twin]) -> Operator:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tables = [f'[hub]\nlisten = "127.0.0.1:{port}"\npublic_url = "http://127.0.0.1:{port}"\nallow_loopback = true\n']
    for name, twin in zip("ab", twins, strict=True):
        tables.append(
            f'[connections.{name}]\nconnector = "bigcommerce"\nstore_hash = "{twin.facts["store_hash"]}"\n'
            f'api_url = "{twin.facts["url"]}"\naccess_token = "${{file:token}}"\n'
            f'client_secret = "{twin.facts["client_secret"]}"\nallow_http_hooks = true\nread_lag_s = 0\n'
        )
    tables.append('[flows.main]\nsource = "a"\ndestination = "b"\n')
    (tmp_path / "storeweave.toml").write_text("\n".join(tables))
    (tmp_path / "token").write_text("twin-token\n")
    return Operator(tmp_path)


def test_an_operators_first_hour(operator: Operator, twins: tuple[Twin, Twin]) -> None:
    a, b = twins

    # Without a server: check, plan, apply exactly that plan, look.
    assert "Twin store aaa" in operator.run("check")
    (plan,) = operator.json("plan")
    assert plan["counts"]["product.create"] == 12
    assert operator.json("apply", "--plan", "0123456789abcdef", expect=1)["error"]["code"] == "stale-plan"
    applied = operator.json("apply", "--plan", plan["digest"])
    assert applied["status"]["verdict"] in {"in agreement", "working"}  # working: a last look is still to come
    assert applied["status"]["flows"][0]["linked"]["product"] == 12
    (again,) = operator.json("plan")
    assert again["changes"] == []
    first = next(row for row in operator.json("items", "--kind", "product")["items"])
    key, there = int(first["key"]), int(first["destination_key"])
    a.change(key, price=77.5)
    assert operator.json("sync", first["sku"])["items"][0]["state"] in {"agrees", "dirty"}
    assert b.product(there)["price"] == 77.5

    # With a server: webhooks bring changes by themselves, commands go through it.
    server, address = operator.start("serve")
    try:
        until(lambda: len(operator.json("hooks")) > 5, "the webhooks are ordered")
        a.change(key, price=88.25)
        until(lambda: b.product(there)["price"] == 88.25, "the change has arrived")
        story = operator.run("explain", first["sku"], "price")
        for words in (
            "webhook store/product/updated",
            "copied from the source",
            "PUT /catalog/products",
            "holds 88.25",
        ):
            assert words in story
        change = operator.json("history", first["sku"])["changes"][0]["id"]
        operator.run("undo", "--change", str(change), "--yes")
        assert b.product(there)["price"] == 77.5
        operator.run("pause", "b", "--reason", "stocktaking")
        assert "stocktaking" in operator.run("status")
        operator.run("resume", "b")
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
            assert b'storeweave_webhooks_total{connection="a",status="200"}' in answer.read()
        assert "runs and listens" in operator.run("doctor")
        operator.run("serve", expect=2)  # somebody listens there already
    finally:
        assert stop(server) == 0
        if server.stderr is not None:
            assert "Traceback" not in server.stderr.read()
            server.stderr.close()
    operator.run("hooks", "remove", "--yes")
    assert operator.json("hooks") == []
