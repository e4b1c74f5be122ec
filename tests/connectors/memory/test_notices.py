"""A memory shop tells of its changes as real ones do: promptly, or late, twice, in another order, or not at all."""

from __future__ import annotations

from storeweave.connectors.memory.hooks import NoticeFaults
from storeweave.connectors.memory.state import Rules
from storeweave.model.kinds import Kind
from storeweave.model.records import Event, Notice, Priority
from tests.connectors.memory.world import FREE, World


def listening(world: World) -> World:
    world.shop.hooks.listen(world.hear)
    return world


async def test_every_change_is_told_at_once() -> None:
    world = listening(World())
    world.shop.edit_product(world.mug, name="Cup")
    await world.set_price(9)
    world.shop.delete_product(world.mug)
    assert [(n.kind, n.key, n.event, n.topic) for n in world.heard] == [
        (Kind.PRODUCT, world.mug, Event.CHANGED, "product/updated"),
        (Kind.PRODUCT, world.mug, Event.CHANGED, "product/updated"),
        (Kind.PRODUCT, world.mug, Event.DELETED, "product/deleted"),
    ]
    assert world.heard[-1].priority is Priority.DELETE
    assert len({n.delivery_id for n in world.heard}) == 3


def test_a_doubled_notice_has_the_same_delivery_id() -> None:
    world = listening(World(notices=NoticeFaults(doubled=1.0)))
    world.shop.edit_product(world.mug, name="Cup")
    first, second = world.heard
    assert first == second


def test_a_lost_notice_is_never_heard() -> None:
    world = listening(World(notices=NoticeFaults(lost=1.0)))
    world.shop.edit_product(world.mug, name="Cup")
    world.clock.push(1000)
    world.shop.touch()
    assert world.heard == []
    assert world.shop.hooks.lost == 1


def test_delayed_notices_overtake_each_other() -> None:
    world = listening(World(notices=NoticeFaults(delay_s=(1.0, 50.0)), seed=3))
    for i in range(10):
        world.shop.edit_product(world.mug, name=f"Cup {i}")
    assert world.heard == []
    while world.shop.next_at is not None:
        world.clock.push(world.shop.next_at - world.clock.monotonic())
        world.shop.touch()
    order = [n.delivery_id for n in world.heard]
    assert len(order) == 10
    assert order != sorted(order, key=lambda d: int(str(d).rpartition("-")[2]))


def test_a_notice_that_was_not_taken_comes_again() -> None:
    world = World(notices=NoticeFaults(retry_s=30.0))
    door_is_open: list[bool] = []

    def door(notice: Notice) -> bool:
        return bool(door_is_open) and world.hear(notice)

    world.shop.hooks.listen(door)
    world.shop.edit_product(world.mug, name="Cup")
    world.clock.push(30)
    world.shop.touch()
    assert world.heard == []
    door_is_open.append(True)
    world.clock.push(30)
    world.shop.touch()
    assert [n.key for n in world.heard] == [world.mug]


async def test_a_listener_at_an_address_hears_only_while_hooks_point_there() -> None:
    world = World()
    world.shop.hooks.listen(world.hear, url="https://hub.example/w")
    world.shop.edit_product(world.mug, name="Cup")
    assert world.heard == []
    await world.connector.ensure_hooks("https://hub.example/w", FREE)
    world.shop.edit_product(world.mug, name="Mug")
    assert len(world.heard) == 1
    await world.connector.remove_hooks(FREE)
    world.shop.edit_product(world.mug, name="Cup")
    assert len(world.heard) == 1


def test_a_process_that_died_hears_nothing_more() -> None:
    world = listening(World())
    world.shop.hooks.forget(world.hear)
    world.shop.edit_product(world.mug, name="Cup")
    assert world.heard == []


def test_some_changes_are_told_by_no_hook() -> None:
    world = listening(World(rules=Rules(silent=frozenset({"image/deleted"}))))
    image = world.shop.add_image(world.mug, "front")
    world.shop.delete_image(world.mug, image)
    assert len(world.heard) == 1


def test_a_notice_and_its_request_say_the_same() -> None:
    world = listening(World())
    world.shop.edit_product(world.mug, name="Cup")
    (notice,) = world.heard
    request = world.shop.hooks.request(notice)
    assert world.connector.receive(request, now=world.clock.now()) == (notice,)
