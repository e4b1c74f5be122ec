"""What people can ask of a hub, answered by a real one on two memory shops."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from storeweave.app.shown import Step
from storeweave.model.errors import BadRequestError, ConfigError, RefusedError
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Value
from tests.app.stage import FLOW, Stage, stage


def mug(world: Stage, number: int = 1) -> Key:
    return world.a.key_of(Kind.PRODUCT, f"Mug {number}")


async def edited(world: Stage, **fields: Value) -> None:
    """Edit mug 1 at the source and wait until the destination agrees."""
    world.a.edit_product(mug(world), **fields)
    await world.port.sync(items=["MUG-1"])
    await world.settled()


def said(steps: list[Step]) -> dict[str, str]:
    return {step.step: step.text for step in steps}


# --- status and lists ----------------------------------------------------------------------------------------------


async def test_status_says_in_agreement_when_nothing_is_left_to_do() -> None:
    async with stage() as world:
        status = await world.port.status()
    assert status.verdict == "in agreement"
    (flow,) = status.flows
    assert (flow.linked, flow.dirty, flow.lag_s) == ({"category": 1, "brand": 1, "product": 3}, 0, 0.0)
    assert [(c.name, c.system, c.state, c.account) for c in status.connections] == [
        ("a", "memory", "active", "a"),
        ("b", "memory", "active", "b"),
    ]


async def test_status_says_working_while_keys_wait_and_shows_since_when() -> None:
    async with stage(working=False) as world:
        await world.port.sync(items=["product/1"])
        status = await world.port.status()
    assert (status.verdict, status.flows[0].dirty) == ("working", 1)
    assert status.flows[0].oldest_at is not None


async def test_status_asks_for_a_person_when_a_connection_cannot_be_used() -> None:
    async with stage() as world:
        await world.port.pause("b", reason="stocktaking")
        paused = (await world.port.status()).connections[1]
        await world.port.resume("b")
        status = await world.port.status()
    assert (paused.state, paused.reason) == ("paused", "stocktaking")
    assert status.connections[1].state == "active"


async def test_items_are_listed_a_page_at_a_time_without_gaps_or_repeats() -> None:
    async with stage(products=7) as world:
        seen, after = [], None
        while True:
            page = await world.port.items(after=after, limit=2)
            seen += [(row.kind, row.title) for row in page.items]
            after = page.next
            if after is None:
                break
    assert seen == [("category", "Kitchen"), ("brand", "Acme"), *(("product", f"Mug {n}") for n in range(1, 8))]


async def test_items_are_searched_by_text_kind_and_state() -> None:
    async with stage() as world:
        assert [row.title for row in (await world.port.items(text="MUG-2")).items] == ["Mug 2"]
        assert [row.title for row in (await world.port.items(kind="brand")).items] == ["Acme"]
        assert (await world.port.items(state="parked")).items == []
        assert len((await world.port.items(state="agrees")).items) == 5
        for wrong in ({"kind": "order"}, {"state": "odd"}, {"limit": 0}, {"limit": 10_000}, {"after": "x"}):
            with pytest.raises(BadRequestError):
                await world.port.items(**wrong)
        with pytest.raises(RefusedError, match="configured are: main"):
            await world.port.items(flow="other")


async def test_a_cursor_of_another_listing_is_refused() -> None:
    async with stage() as world:
        cursor = (await world.port.history(limit=1)).next
        with pytest.raises(BadRequestError, match="cursor"):
            await world.port.items(after=cursor)


# --- why -----------------------------------------------------------------------------------------------------------


async def test_explain_tells_the_way_of_a_value_from_notice_to_answer() -> None:
    async with stage() as world:
        await edited(world, price=Decimal("11.50"))
        (story,) = (await world.port.explain("MUG-1", field="price", live=True)).fields
    steps = said(story.steps)
    assert (story.value, story.theirs) == ("17.25", "17.25")
    assert steps["notice"].startswith("manual: notice ")
    assert steps["rule"].startswith("the source's price × 1.5, rounded to 2 places")
    assert [s.text for s in story.steps if s.step == "source"] == [
        "a says, by that rule: 17.25",
        "a itself holds 11.5 now",
    ]
    assert steps["call"] == "update: 15 -> 17.25 by fields product x1"
    assert steps["answer"].startswith("b holds 17.25, 0.")
    way = [step.step for step in story.steps if step.step != "now"]
    assert way == ["notice", "rule", "source", "source", "call", "answer"]


async def test_explain_without_a_field_shows_every_value_with_its_rule() -> None:
    async with stage() as world:
        found = await world.port.explain("Mug 1")
    fields = {story.path: story for story in found.fields}
    assert fields["price"].value == "15"
    assert fields["name"].rule == "copied from the source; if both sides changed it, the source wins"
    assert fields["brand"].rule.startswith("the same brand records, by their links")
    assert [path for path in fields if path.startswith("variants/") and path.endswith("/sku")]
    assert found.changes[0].op == "create"
    assert found.notices
    assert not [path for path in fields if "+" in path]


async def test_explain_finds_a_variants_field_by_the_variants_sku() -> None:
    async with stage() as world:
        variants = world.a.parts_of(mug(world), "variants")
        sku = next(str(fields["sku"]) for fields in variants.values())
        for name in (f"variants/{sku}/sku", f"variants.{sku}.sku"):
            (story,) = (await world.port.explain("MUG-1", field=name)).fields
            assert story.value == sku
            assert said(story.steps)["call"].startswith("create: the whole part by create product")


async def test_explain_says_why_a_parked_record_waits() -> None:
    async with stage() as world:
        await edited(world, price=Decimal(-5))
        found = await world.port.explain("MUG-1", field="price")
        parked = await world.port.parked()
    assert found.item.state == "parked"
    assert "a price cannot be negative" in said(found.fields[0].steps)["now"]
    assert [(cause.count, cause.example) for cause in parked.causes] == [(1, "main/product/1")]
    assert [row.key for row in parked.items] == ["1"]


@pytest.mark.parametrize(("text", "words"), [("Nothing", "nothing is known"), ("Mug", "may mean 3 records")])
async def test_a_name_that_means_none_or_several_is_answered_with_what_to_do(text: str, words: str) -> None:
    async with stage() as world:
        with pytest.raises(RefusedError, match=words):
            await world.port.explain(text)
        with pytest.raises(RefusedError, match="known are: name"):
            await world.port.explain("MUG-1", field="colour")


@pytest.mark.parametrize("text", ["MUG-1", "Mug 1", "product/1", "main/product/1"])
async def test_a_record_can_be_named_in_many_ways(text: str) -> None:
    async with stage() as world:
        assert (await world.port.explain(text)).item.title == "Mug 1"


# --- history and undo ----------------------------------------------------------------------------------------------


async def test_history_is_paged_newest_first_and_filtered() -> None:
    async with stage() as world:
        for price in (11, 12, 13):
            await edited(world, price=Decimal(price))
        first = await world.port.history(item="MUG-1", limit=2)
        rest = await world.port.history(item="MUG-1", limit=5, after=first.next)
        assert [c.lines[0].new for c in first.changes] == ["19.5", "18"]
        assert [c.op for c in rest.changes] == ["update", "create"]
        assert rest.next is None
        later = datetime.now(UTC) + timedelta(hours=1)
        assert (await world.port.history(since=later)).changes == []


async def test_undo_takes_one_change_back_and_says_so() -> None:
    async with stage() as world:
        await edited(world, price=Decimal(11))
        change = (await world.port.history(limit=1)).changes[0].id
        result = await world.port.undo(change=change)
        assert [item.restored for item in result.items] == [["price"]]
        story = (await world.port.explain("MUG-1", field="price")).fields[0]
        assert story.theirs == "15"
        assert "took a change back" in " ".join(step.text for step in story.steps if step.step == "now")
        run = await world.port.run(result.run)
        assert (run.what, run.state) == ("undo", "done")


async def test_undo_takes_back_a_whole_run() -> None:
    async with stage(synced=False) as world:
        started = await world.port.sync(full=True)
        await world.settled()
        result = await world.port.undo(run=started.runs[0])
        assert {item.title for item in result.items} >= {"Mug 1", "Mug 2", "Mug 3"}


@pytest.mark.parametrize("asked", [{}, {"run": 1, "change": 1}, {"item": "x", "run": 1}])
async def test_undo_wants_exactly_one_thing(asked: dict[str, int]) -> None:
    async with stage(synced=False) as world:
        with pytest.raises(BadRequestError):
            await world.port.undo(**asked)  # type: ignore[arg-type]


async def test_undo_of_nothing_is_refused() -> None:
    async with stage(synced=False) as world:
        with pytest.raises(RefusedError, match="nothing on record"):
            await world.port.undo(change=999)


# --- work ----------------------------------------------------------------------------------------------------------


async def test_a_plan_shows_what_would_be_written_and_writes_nothing() -> None:
    async with stage() as world:
        world.a.edit_product(mug(world), price=Decimal(12))
        world.a.create_category("Garden")
        before = world.b.truth()
        told: list[tuple[str, int]] = []
        plan = await world.port.plan(FLOW, progress=lambda what, done, of: told.append((what, done)))
        assert world.b.truth() == before
    ops = {(change.kind, change.op): change for change in plan.changes}
    assert ops["product", "update"].lines[0].new == "18"
    assert ops["category", "create"].title == "Garden"
    assert plan.counts["product.equal"] == 2
    assert told[-1][0] == "main: product"


async def test_a_first_plan_is_all_creations_and_is_cut_off_where_asked() -> None:
    async with stage(synced=False) as world:
        plan = await world.port.plan(FLOW, most=2)
    assert (plan.counts["product.create"], len(plan.changes), plan.cut_off) == (3, 2, True)


async def test_a_plan_tells_of_deletes_and_of_the_brake_that_would_hold_them() -> None:
    async with stage() as world:
        for number in (1, 2):
            world.a.delete_product(mug(world, number))
        plan = await world.port.plan(FLOW)
    assert plan.counts["product.hide"] == 2
    assert plan.brakes == ["delete: 2 product records would be deleted or hidden; more than 1 are held"]


async def test_sync_marks_named_items_and_refuses_unknown_ones_as_a_whole() -> None:
    async with stage() as world:
        assert (await world.port.sync(items=["MUG-1", "product/2"])).keys == ["main/product/1", "main/product/2"]
        await world.settled()
        with pytest.raises(RefusedError, match="'nope'"):
            await world.port.sync(items=["MUG-3", "nope"])
        assert (await world.port.explain("MUG-3")).item.state == "agrees"
        for wrong in ({}, {"items": ["MUG-1"], "full": True}):
            with pytest.raises(BadRequestError):
                await world.port.sync(**wrong)  # type: ignore[arg-type]


async def test_a_full_pass_in_a_server_is_answered_with_its_number_while_it_runs() -> None:
    async with stage(synced=False, background=True) as world:
        (run,) = (await world.port.sync(full=True)).runs
        await asyncio.gather(*world.port._tasks)  # its own view of what goes on behind
        await world.settled()
        assert (await world.port.run(run)).state == "done"
        assert (await world.port.status()).flows[0].linked["product"] == 3
        assert (await world.port.runs())[0].id == run
        with pytest.raises(RefusedError, match="no run 99"):
            await world.port.run(99)


async def test_retry_gives_parked_keys_another_try_all_or_by_name() -> None:
    async with stage() as world:
        await edited(world, price=Decimal(-5))
        assert (await world.port.retry()).count == 1
        await world.settled()
        assert (await world.port.retry(items=["MUG-1"])).count == 1
        await world.settled()
        assert (await world.port.retry(code="other")).count == 0


async def test_a_brake_is_released_only_for_what_was_shown() -> None:
    async with stage() as world:
        for number in (1, 2, 3):
            world.a.delete_product(mug(world, number))
        await world.port.sync(items=["product/1", "product/2", "product/3"])
        await world.settled()
        for brake in await world.port.brakes():
            with pytest.raises(RefusedError):
                await world.port.release_brake(brake.id, count=brake.held, list_hash="other")
            assert (await world.port.release_brake(brake.id, count=brake.held, list_hash=brake.list_hash)).count
        with pytest.raises(RefusedError, match="no open brake 77"):
            await world.port.drop_brake(77)


async def test_a_link_by_hand_joins_two_records_and_unlink_forgets_it() -> None:
    async with stage(synced=False) as world:
        there = world.b.create_product("Cup", sku="CUP-9")
        await world.port.link(FLOW, "product", mug(world), there)
        await world.settled()
        found = await world.port.explain("MUG-1")
        assert (found.item.how, found.item.destination_key) == ("explicit", there)
        assert world.b.records[Kind.PRODUCT][there].fields["name"] == "Mug 1"
        with pytest.raises(RefusedError, match="linked to 1 already"):
            await world.port.link(FLOW, "product", mug(world, 2), there)
        await world.port.unlink(FLOW, "product", mug(world))
        with pytest.raises(RefusedError, match="is not linked"):
            await world.port.unlink(FLOW, "product", mug(world))


@pytest.mark.parametrize(
    ("kind", "key", "there", "words"),
    [("product", "1", "999", "b has no product 999"), ("product", "999", "1", "a has no product 999")],
)
async def test_a_link_needs_both_records(kind: str, key: str, there: str, words: str) -> None:
    async with stage(synced=False) as world:
        with pytest.raises(RefusedError, match=words):
            await world.port.link(FLOW, kind, key, there)


# --- vendors -------------------------------------------------------------------------------------------------------


async def test_hooks_are_made_shown_without_their_secret_and_removed() -> None:
    async with stage() as world:
        assert {hook.state for hook in await world.port.hooks("ensure")} == {"created"}
        shown = await world.port.hooks("list", "a")
        assert {hook.destination for hook in shown} == {"https://hub.example/webhooks/a/***"}
        assert {hook.state for hook in await world.port.hooks("remove", "a")} == {"removed"}
        assert await world.port.hooks("list", "a") == []
        with pytest.raises(RefusedError, match="such are: a, b"):
            await world.port.hooks("list", "z")
        with pytest.raises(BadRequestError):
            await world.port.hooks("paint")


async def test_check_tries_every_connection() -> None:
    async with stage() as world:
        assert [(c.name, c.state, c.text) for c in await world.port.check()] == [
            ("a", "ok", "a (USD)"),
            ("b", "ok", "b (USD)"),
        ]
        assert (await world.port.pair("a")).state == "ok"
        with pytest.raises(ConfigError, match="configured are: a, b"):
            await world.port.pause("z")


async def test_purge_tells_what_it_removed() -> None:
    async with stage() as world:
        assert set((await world.port.purge()).values()) <= {0}
