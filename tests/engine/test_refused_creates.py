"""After a create that was refused, and after a try that failed: what the next look may take for granted."""

from datetime import UTC, datetime, timedelta
from random import Random

from storeweave.engine.results import Results
from storeweave.engine.safety import ALL_RULES
from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind, LaneName
from storeweave.model.records import Cause, FlowKey, Priority
from storeweave.model.state import Mark, MarkState
from tests.app.stage import FLOW, Stage, stage

NOW = datetime(2026, 11, 1, tzinfo=UTC)


async def created(world: Stage, sku: str) -> FlowKey:
    """Create a product at the source; its key, when the hub is through with it."""
    key = FlowKey(FLOW, Kind.PRODUCT, world.a.create_product("Knot", sku=sku))
    await world.port.sync(items=[sku])
    await world.settled()
    return key


async def test_a_refused_create_leaves_no_doubt_whether_it_was_made() -> None:
    async with stage() as world:
        world.faults.poison = {"KNOT-1"}
        key = await created(world, "KNOT-1")
        assert [mark.state for mark in await world.hub.store.marks(key=key)] == [MarkState.PARKED]
        assert await world.hub.store.intents([key]) == {}


async def test_a_refused_create_is_made_as_soon_as_the_source_has_mended_it() -> None:
    async with stage() as world:
        world.faults.poison = {"KNOT-1"}
        key = await created(world, "KNOT-1")
        world.a.edit_product(key.key, sku="KNOT-2")
        await world.port.sync(items=["KNOT-2"])
        await world.settled()
        assert await world.hub.store.links(FLOW, Kind.PRODUCT, [key.key])


async def test_a_refusal_says_nothing_about_an_earlier_create_without_an_answer() -> None:
    async with stage() as world:
        key = FlowKey(FLOW, Kind.PRODUCT, world.a.create_product("Knot", sku="KNOT-1"))
        await world.hub.store.open_intents({key: ("sku:KNOT-1",)}, datetime.now(UTC))
        world.faults.poison = {"KNOT-1"}
        await world.port.sync(items=["KNOT-1"])
        await world.settled()
        assert [mark.state for mark in await world.hub.store.marks(key=key)] == [MarkState.PARKED]
        assert list(await world.hub.store.intents([key])) == [key]


def test_a_second_look_does_not_hurry_a_key_that_waits_for_its_next_try() -> None:
    mark = _mark()
    results = Results(rng=Random(1), safety=ALL_RULES, source=ConnectionName("a"))
    results.look_again(mark, NOW, NOW, Cause.SECOND_LOOK)
    results.look_again(mark, NOW, NOW, Cause.CONFIRM, verify=True)
    results.later(mark, NOW, 600.0, "no answer", "transient")
    settlement = results.settlement()
    assert [again.notice.cause for again in settlement.again] == [Cause.CONFIRM]
    assert settlement.failed[0].due_at == NOW + timedelta(seconds=600)


def _mark() -> Mark:
    return Mark(
        key=FlowKey(FlowName("main"), Kind.PRODUCT, Key("1")),
        lane=LaneName("b"),
        want=7,
        state=MarkState.DIRTY,
        due_at=NOW,
        first_at=NOW,
        noticed_at=NOW,
        happened_at=None,
        attempts=3,
        priority=Priority.NORMAL,
        cause=Cause.WEBHOOK,
        deleted=False,
        verify=False,
    )
