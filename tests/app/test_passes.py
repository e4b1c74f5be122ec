"""A first full pass that breaks off goes on where it stopped, in this process or in the next."""

from __future__ import annotations

from random import Random

import pytest

from storeweave.app.hub import Hub
from storeweave.connectors.memory.connector import Limits, MemoryConnector
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.engine.sweep import Listing
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName, Kind
from storeweave.model.state import MarkState
from storeweave.ports.clock import SystemClock
from storeweave.storage import open_store

A, B = ConnectionName("a"), ConnectionName("b")
FLOW = FlowSpec(name=FlowName("main"), source=A, destination=B)
PRODUCTS = 12


class PowerCut(BaseException):
    """Nobody catches it."""


def a_hub(url: str, shop: MemoryShop, flow: FlowSpec = FLOW) -> Hub:
    clock = SystemClock()
    limits = Limits(page=2)
    return Hub(
        store=open_store(url),
        connectors={
            A: MemoryConnector(shop, clock=clock, rng=Random(1), limits=limits),
            B: MemoryConnector(MemoryShop("b", clock=clock, rng=Random(2)), clock=clock, rng=Random(3), limits=limits),
        },
        flows=[flow],
        clock=clock,
        rng=Random(4),
    )


async def cut_at_page(hub: Hub, page: int) -> None:
    async def progress(_: str, found: Listing) -> None:
        if found.kind is Kind.PRODUCT and found.pages == page:
            raise PowerCut

    with pytest.raises(PowerCut):
        await hub.apply(FLOW, progress=progress)
    await hub.store.close()


async def listed(hub: Hub, flow: FlowSpec = FLOW) -> int:
    """How many records the rest of the pass reads."""
    last: dict[Kind, int] = {}

    async def progress(_: str, found: Listing) -> None:
        last[found.kind] = found.records

    await hub.apply(flow, progress=progress)
    return sum(last.values())


@pytest.fixture
def shop() -> MemoryShop:
    shop = MemoryShop("a", clock=SystemClock(), rng=Random(5))
    shop.create_brand("Acme")
    for number in range(PRODUCTS):
        shop.create_product(f"Mug {number}", sku=f"MUG-{number}")
    return shop


async def test_the_next_process_lists_only_what_is_left_and_marks_all(tmp_path: object, shop: MemoryShop) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    await cut_at_page(a_hub(url, shop), 4)
    hub = a_hub(url, shop)

    assert await listed(hub) == PRODUCTS - 2 * 4
    assert len(await hub.store.marks(state=MarkState.DIRTY)) == PRODUCTS + 1
    assert [run.state for run in await hub.store.runs()] == ["done"]
    assert await listed(hub) == 0
    await hub.store.close()


async def test_a_pass_under_other_rules_starts_from_the_beginning(tmp_path: object, shop: MemoryShop) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    await cut_at_page(a_hub(url, shop), 4)
    other = FlowSpec(name=FLOW.name, source=A, destination=B, exclude=frozenset({"description"}))
    hub = a_hub(url, shop, other)

    assert await listed(hub, other) == PRODUCTS + 1
    await hub.store.close()
