"""A command that goes through a server gets the same answers and the same errors as one that does it itself."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest

from storeweave.access.secrets import Secret
from storeweave.app.api import create_api
from storeweave.app.hub_port import HubPort
from storeweave.app.remote import RemoteHub, server_at
from storeweave.model.errors import BadRequestError, ConfigError, RefusedError, StoreweaveError, TransientError
from storeweave.model.kinds import Kind
from tests.app.stage import Stage, stage

Question = Callable[[HubPort], Awaitable[object]]


@asynccontextmanager
async def remote_to(world: Stage, *, token: str | None = None, shown: str | None = None) -> AsyncIterator[RemoteHub]:
    app = create_api(world.port, token=Secret(token) if token else None)
    transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 1))
    headers = {"authorization": f"Bearer {shown}"} if shown else {}
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:1", headers=headers) as client:
        yield RemoteHub(client)


SAME: dict[str, Question] = {
    "items": lambda hub: hub.items(kind="product", limit=2),
    "items by text": lambda hub: hub.items(text="MUG-2", flow="main", state="agrees"),
    "explain": lambda hub: hub.explain("MUG-1"),
    "explain a field": lambda hub: hub.explain("main/product/1", field="price", flow="main", kind="product", live=True),
    "history": lambda hub: hub.history(item="MUG-1", since=datetime(2020, 1, 1, tzinfo=UTC), limit=1),
    "parked": lambda hub: hub.parked(flow="main", code="x"),
    "brakes": lambda hub: hub.brakes(),
    "runs": lambda hub: hub.runs(flow="main"),
    "run": lambda hub: hub.run(1),
    "plan": lambda hub: hub.plan("main", most=3, everything=True),
    "retry": lambda hub: hub.retry(flow="main"),
    "retry items": lambda hub: hub.retry(items=["MUG-1"]),
    "check": lambda hub: hub.check(),
    "pair": lambda hub: hub.pair("b"),
    "hooks": lambda hub: hub.hooks("list", "a"),
    "purge": lambda hub: hub.purge(),
}


@pytest.mark.parametrize("name", SAME)
async def test_a_server_gives_the_same_answer(name: str) -> None:
    async with stage() as world, remote_to(world) as remote:
        world.a.edit_product(world.a.key_of(Kind.PRODUCT, "Mug 1"), price=Decimal("11.50"))
        assert await SAME[name](remote) == await SAME[name](world.port)


REFUSED: dict[str, tuple[Question, type[StoreweaveError]]] = {
    "unknown item": (lambda hub: hub.explain("nothing"), RefusedError),
    "several items": (lambda hub: hub.explain("Mug"), RefusedError),
    "wrong cursor": (lambda hub: hub.items(after="!!"), BadRequestError),
    "too large a page": (lambda hub: hub.items(limit=9999), BadRequestError),
    "unknown run": (lambda hub: hub.run(99), RefusedError),
    "unknown flow": (lambda hub: hub.plan("other"), RefusedError),
    "nothing to do": (lambda hub: hub.sync(), BadRequestError),
    "unknown connection": (lambda hub: hub.pause("z"), ConfigError),
    "no such brake": (lambda hub: hub.drop_brake(7), RefusedError),
    "not linked": (lambda hub: hub.unlink("main", "product", "99"), RefusedError),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_server_refuses_with_the_same_error(name: str) -> None:
    question, kind = REFUSED[name]
    async with stage() as world, remote_to(world) as remote:
        with pytest.raises(kind) as theirs:
            await question(remote)
        with pytest.raises(kind) as ours:
            await question(world.port)
    assert type(theirs.value) is type(ours.value)
    if not isinstance(ours.value, BadRequestError):
        assert (theirs.value.code, str(theirs.value)) == (ours.value.code, str(ours.value))


async def test_acting_through_a_server_acts() -> None:
    async with stage() as world, remote_to(world) as remote:
        world.a.edit_product(world.a.key_of(Kind.PRODUCT, "Mug 1"), price=Decimal(12))
        assert (await remote.sync(items=["MUG-1"])).keys == ["main/product/1"]
        await world.settled()
        change = (await remote.history(limit=1)).changes[0]
        assert (await remote.undo(change=change.id)).items[0].restored == ["price"]
        await remote.unlink("main", "product", "2")
        await remote.link("main", "product", "2", "1001")
        await remote.pause("b", reason="x")
        assert (await remote.status()).connections[1].reason == "x"
        await remote.resume("b")
        assert {hook.state for hook in await remote.hooks("ensure")} == {"created"}


async def test_a_missing_token_is_told_as_a_matter_of_configuration() -> None:
    async with stage(synced=False) as world:
        async with remote_to(world, token="canary") as remote:
            with pytest.raises(ConfigError, match=r"hub\.api_token"):
                await remote.status()
        async with remote_to(world, token="canary", shown="canary") as remote:
            await remote.status()


async def test_a_server_that_is_not_there_is_not_found_and_not_waited_for() -> None:
    async with server_at(("127.0.0.1", 1), "identity", None) as found:
        assert found is None


async def test_a_server_that_went_away_is_a_matter_of_trying_again() -> None:
    async with httpx2.AsyncClient(base_url="http://127.0.0.1:1", trust_env=False) as client:
        with pytest.raises(TransientError, match="does not answer"):
            await RemoteHub(client).status()
