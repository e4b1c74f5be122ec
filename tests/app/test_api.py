"""The HTTP API over ASGI, on a real hub with two memory shops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from storeweave.access.secrets import Secret
from storeweave.app.api import Ready, always_ready, create_api
from storeweave.model.errors import TransientError
from storeweave.model.kinds import Kind
from tests.app.stage import Stage, stage

LOCAL = ("127.0.0.1", 4711)


@asynccontextmanager
async def client(
    world: Stage,
    *,
    token: str | None = None,
    peer: tuple[str, int] = LOCAL,
    ready: Ready = always_ready,
    base_url: str = "http://127.0.0.1:8750",
) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_api(
        world.port, token=Secret(token) if token else None, ready=ready, answered={("a", 200): 7, ("", 401): 2}
    )
    transport = httpx2.ASGITransport(app=app, client=peer, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=base_url) as made:
        yield made


async def test_status_items_and_the_way_of_a_value_are_served_as_json() -> None:
    async with stage() as world, client(world) as http:
        status = (await http.get("/api/v1/status")).json()
        items = (await http.get("/api/v1/items", params={"kind": "product", "limit": 2})).json()
        rest = (await http.get("/api/v1/items", params={"kind": "product", "after": items["next"]})).json()
        story = (await http.get("/api/v1/items/main/product/1", params={"field": "price"})).json()
    assert (status["verdict"], status["flows"][0]["linked"]["product"]) == ("in agreement", 3)
    assert [row["sku"] for row in items["items"] + rest["items"]] == ["MUG-1", "MUG-2", "MUG-3"]
    assert rest["next"] is None
    assert story["fields"][0]["value"] == "15"


async def test_a_change_is_synced_shown_and_taken_back_over_http() -> None:
    async with stage() as world, client(world) as http:
        world.a.edit_product(world.a.key_of(Kind.PRODUCT, "Mug 1"), price=Decimal(12))
        plan = (await http.post("/api/v1/plan", json={"flow": "main"})).json()
        assert plan["counts"]["product.update"] == 1
        synced = await http.post("/api/v1/items/MUG-1/sync")
        assert (synced.status_code, synced.json()["keys"]) == (202, ["main/product/1"])
        await world.settled()
        change = (await http.get("/api/v1/history", params={"limit": 1})).json()["changes"][0]
        assert change["lines"][0]["new"] == "18"
        undone = (await http.post("/api/v1/undo", json={"change": change["id"]})).json()
        assert undone["items"][0]["restored"] == ["price"]


async def test_a_full_pass_is_accepted_and_can_be_watched() -> None:
    async with stage(synced=False, background=True) as world, client(world) as http:
        started = await http.post("/api/v1/runs", json={})
        assert started.status_code == 202
        (run,) = started.json()["runs"]
        await asyncio.gather(*world.port._tasks)  # its own view of what goes on behind
        assert (await http.get(f"/api/v1/runs/{run}")).json()["state"] == "done"
        assert (await http.get("/api/v1/runs")).json()[0]["id"] == run


async def test_parked_keys_brakes_links_hooks_and_connections_have_their_routes() -> None:
    async with stage() as world, client(world) as http:
        world.a.edit_product(world.a.key_of(Kind.PRODUCT, "Mug 1"), price=Decimal(-1))
        await http.post("/api/v1/sync", json={"items": ["MUG-1"]})
        await world.settled()
        assert (await http.get("/api/v1/parked")).json()["causes"][0]["count"] == 1
        assert (await http.post("/api/v1/retry", json={"flow": "main"})).json() == {"count": 1}
        assert (await http.get("/api/v1/brakes")).json() == []
        assert (await http.post("/api/v1/brakes/3/release", json={"count": 1, "list_hash": "x"})).status_code == 409
        assert (await http.post("/api/v1/brakes/3/drop")).status_code == 409
        assert (await http.delete("/api/v1/links/main/product/2")).status_code == 204
        link = {"flow": "main", "kind": "product", "key": "2", "destination_key": "1001"}
        assert (await http.post("/api/v1/links", json=link)).status_code == 204
        assert (await http.post("/api/v1/connections/b/pause", json={"reason": "x"})).status_code == 204
        assert (await http.post("/api/v1/connections/b/resume")).status_code == 204
        assert (await http.post("/api/v1/connections/b/pair")).json()["state"] == "ok"
        assert len((await http.post("/api/v1/hooks", json={"action": "ensure"})).json()) == 3
        assert "unguessable" not in (await http.get("/api/v1/hooks")).text
        assert len((await http.post("/api/v1/check")).json()) == 2
        assert (await http.post("/api/v1/purge")).status_code == 200


# --- problems ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/v1/items/nothing", None, 404, "unknown"),
        ("GET", "/api/v1/items/Mug", None, 409, "ambiguous"),
        ("GET", "/api/v1/items?after=!!", None, 400, "badrequest"),
        ("GET", "/api/v1/items?limit=0", None, 422, "unreadable"),
        ("GET", "/api/v1/runs/x", None, 422, "unreadable"),
        ("GET", "/api/v1/runs/77", None, 404, "unknown"),
        ("GET", "/api/v1/nowhere", None, 404, "no-route"),
        ("DELETE", "/api/v1/status", None, 405, "no-method"),
        ("POST", "/api/v1/sync", {}, 400, "badrequest"),
        ("POST", "/api/v1/sync", {"itms": []}, 422, "unreadable"),
        ("POST", "/api/v1/undo", {}, 400, "badrequest"),
        ("POST", "/api/v1/connections/z/pause", {}, 404, "config"),
    ],
)
async def test_every_error_is_a_problem_with_a_stable_code(
    method: str, path: str, body: Any, status: int, code: str
) -> None:
    async with stage() as world, client(world) as http:
        answer = await http.request(method, path, json=body)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:storeweave:problem:{code}"
    assert problem["detail"]


async def test_a_mistake_of_ours_is_a_problem_with_a_trace_and_nothing_else() -> None:
    async with stage() as world, client(world) as http:

        async def broken() -> None:
            raise KeyError("canary")

        world.port.status = broken  # type: ignore[method-assign, assignment]
        answer = await http.get("/api/v1/status")
    assert (answer.status_code, answer.json()["code"]) == (500, "bug")
    assert "canary" not in answer.text


PATHS = ["status", "items", "history", "parked", "runs", "runs/1", "brakes", "items/x", "hooks"]
NAMES = ["after", "limit", "flow", "kind", "state", "text", "run", "since", "code", "item", "field"]
questions = st.tuples(
    st.sampled_from(PATHS), st.dictionaries(st.sampled_from(NAMES), st.text(max_size=12), min_size=1, max_size=3)
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(questions, min_size=10, max_size=30))
def test_no_query_brings_the_api_down(asked: list[tuple[str, dict[str, str]]]) -> None:
    async def ask() -> set[int]:
        async with stage(products=1, synced=False, working=False) as world, client(world) as http:
            return {(await http.get(f"/api/v1/{path}", params=query)).status_code for path, query in asked}

    assert asyncio.run(ask()) <= {200, 400, 404, 409, 422}


# --- who may ask ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v1/status", "/metrics", "/docs", "/openapi.json", "/nowhere"])
async def test_without_a_token_only_this_machine_is_answered(path: str) -> None:
    async with stage(synced=False) as world:
        async with client(world, peer=("192.0.2.7", 1)) as http:
            assert (await http.get(path)).status_code == 403
        async with client(world) as http:
            assert (await http.get(path)).status_code in {200, 404}


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "203.0.113.9"},
        {"forwarded": "for=203.0.113.9"},
        {"x-real-ip": "203.0.113.9"},
        {"via": "1.1 proxy"},
        {"host": "db52156ab43c.ngrok.io"},
        {"host": "127.0.0.1.evil.example"},
        {"host": ""},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
async def test_a_stranger_behind_a_local_proxy_or_page_is_not_taken_for_this_machine(headers: dict[str, str]) -> None:
    async with stage(synced=False) as world, client(world) as http:
        assert (await http.get("/api/v1/status", headers=headers)).status_code == 403


@pytest.mark.parametrize("host", ["http://localhost:8750", "http://[::1]:8750", "http://127.0.0.1"])
async def test_this_machine_is_known_by_all_its_own_names(host: str) -> None:
    async with stage(synced=False) as world, client(world, peer=("::1", 1), base_url=host) as http:
        assert (await http.get("/api/v1/status", headers={"origin": host})).status_code == 200


async def test_with_a_token_whoever_shows_it_is_answered_and_nobody_else() -> None:
    async with stage(synced=False) as world:
        async with client(world, token="canary-token", peer=("192.0.2.7", 1), base_url="https://hub.example") as http:
            for wrong in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic canary-token"}):
                answer = await http.get("/api/v1/status", headers=wrong)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
                assert "canary" not in answer.text
            right = {"authorization": "Bearer canary-token"}
            assert (await http.get("/api/v1/status", headers=right)).status_code == 200
        async with client(world, token="canary-token") as http:
            assert (await http.get("/api/v1/status")).status_code == 401


# --- operation -----------------------------------------------------------------------------------------------------


async def test_health_and_readiness_are_open_to_everybody() -> None:
    async def lame() -> list[str]:
        return ["the lanes do not run"]

    async def cut_off() -> list[str]:
        raise TransientError("the database does not answer")

    async with stage(synced=False) as world:
        async with client(world, token="x", peer=("192.0.2.7", 1)) as http:
            assert (await http.get("/healthz")).json() == {"status": "ok", "hub": ""}
            assert (await http.get("/readyz")).status_code == 200
        for check, words in ((lame, "lanes"), (cut_off, "database")):
            async with client(world, ready=check) as http:
                answer = await http.get("/readyz")
                assert (answer.status_code, words in answer.text) == (503, True)


async def test_metrics_can_be_read_by_prometheus() -> None:
    async with stage() as world, client(world) as http:
        answer = await http.get("/metrics")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert answer.headers["content-type"].startswith("text/plain")
    assert found["storeweave_linked_records", "main", "product"] == 3
    assert found["storeweave_keys", "main", "dirty"] == 0
    assert found["storeweave_connection_state", "a", "active"] == 1
    assert found["storeweave_webhooks_total", "a", "200"] == 7
    assert found["storeweave_open_brakes",] == 0
    assert any(name[0] == "process_resident_memory_bytes" for name in found)


async def test_the_contract_is_openapi_3_1_and_the_docs_need_no_other_server() -> None:
    async with stage(synced=False) as world, client(world) as http:
        contract = (await http.get("/openapi.json")).json()
        docs = (await http.get("/docs")).text
    assert contract["openapi"].startswith("3.1")
    assert {"/api/v1/status", "/api/v1/items/{item}", "/api/v1/brakes/{brake}/release", "/healthz"} <= set(
        contract["paths"]
    )
    assert "https://" not in docs.replace("https://fastapi.tiangolo.com", "")
    for path, methods in contract["paths"].items():
        for method in methods.values():
            assert method.get("description") or method.get("summary"), path
