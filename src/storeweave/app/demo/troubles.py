"""What goes wrong in a merchant's life: mass deletes, foreign hands, outages, poison, forgeries; and an undo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

from storeweave.app.demo.goods import LOOM, ORDINARY, REMNANTS, THROW, ordinary_goods
from storeweave.app.demo.life import has, product, rename
from storeweave.app.demo.steps import Counting, Scene, at_rest, counted
from storeweave.app.demo.world import MOST_DELETES, World
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import FlowKey
from storeweave.model.state import MarkState
from storeweave.twinkit.deliveries import Mishaps, signature

POISON, CURED = "KNOT-666", "KNOT-667"
NEIGHBOURS = tuple(f"KNOT-{number:03d}" for number in range(1, 5))
PERIODS = 3


def troubled_life(world: World) -> Iterator[Scene]:
    """In this order; each scene is made when the one before it is over."""
    yield from _mass_delete(world)
    yield _foreign_hand(world)
    yield from _outage(world)
    yield from _poison(world)
    yield from _webhooks(world)
    yield from _undo(world)


# --- the brake ------------------------------------------------------------------------------------------------------


def _hidden(world: World) -> int:
    return sum(has(world.b, sku, is_visible=False) for sku in REMNANTS)


def _mass_delete(world: World) -> Iterator[Scene]:
    def sell_off() -> None:
        for sku in REMNANTS:
            world.a.merchant.delete_product(sku)

    async def all_are_decided() -> bool:
        held = sum(brake.held for brake in await world.store.brakes())
        return held > 0 and held + _hidden(world) == len(REMNANTS)

    async def what_is_held() -> str:
        brakes = await world.store.brakes()
        return f"the brake holds {sum(b.held for b in brakes)} of {len(REMNANTS)}; {_hidden(world)} were hidden before"

    yield Scene(
        name="mass-delete",
        title="Mass delete",
        detail=f"{len(REMNANTS)} products at once; more than {MOST_DELETES} need a person",
        deed=sell_off,
        seen=all_are_decided,
        note=what_is_held,
    )

    async def release() -> None:
        for brake in await world.store.brakes():
            await world.store.release_brake(
                brake.id, count=brake.held, list_hash=brake.list_hash, now=world.clock.now()
            )
        world.hub.lanes.ring(world.flow.lane)

    yield Scene(
        name="brake-released",
        title="Brake released",
        detail="the operator confirms count and list",
        deed=release,
        by="a person",
        seen=lambda: _hidden(world) == len(REMNANTS),
        note=lambda: f"all {len(REMNANTS)} are hidden in B, ready to be shown again",
    )


# --- somebody else's hand in store B ----------------------------------------------------------------------------


def _foreign_hand(world: World) -> Scene:
    right = product(world.b, LOOM)
    price = right.price if right else Decimal(0)

    async def logged() -> str:
        rows = [row for row in await world.store.conflicts(flow=world.flow.name, limit=20) if row.path == "price"]
        return f"conflict logged: {rows[0].path} {rows[0].destination} in B, {rows[0].choice} won" if rows else ""

    async def restored() -> bool:
        return has(world.b, LOOM, price=price) and bool(await logged())

    return Scene(
        name="drift",
        title="Edited in B by hand",
        detail="table loom: somebody sets its price to 1.00",
        deed=lambda: world.b.merchant.edit_product(LOOM, price=1),
        nudge=lambda: world.sweep(destination_too=True),
        by="sweep of B",
        seen=restored,
        note=logged,
    )


# --- store B is down ----------------------------------------------------------------------------------------------


def _outage(world: World) -> Iterator[Scene]:
    skus = ordinary_goods(world.a, ORDINARY)
    prices = {sku: world.a.merchant.product(sku).product.price + 1 for sku in skus}
    period_s = world.hub.options.probe_s
    calls = Counting(world)
    went_dark_at = world.clock.now()

    async def go_dark() -> None:
        world.b.faults.outage = "503"
        for sku, price in prices.items():
            world.a.merchant.edit_product(sku, price=price)
        await world.clock.sleep(PERIODS * period_s)

    def right() -> list[str]:
        return [sku for sku, price in prices.items() if has(world.b, sku, price=price)]

    async def all_wait() -> bool:
        backlog = await world.store.backlog(world.clock.now())
        return sum(row.dirty + row.backing_off for row in backlog) >= len(skus) and not right()

    yield Scene(
        name="outage",
        title="Store B goes down",
        detail=f"503 to everything; {len(skus)} prices change meanwhile",
        deed=go_dark,
        seen=all_wait,
        timed=False,
        rests=False,
        note=lambda: (
            f"{counted(calls.spent().reads_b, 'call')} in {PERIODS * period_s:g} s, then one "
            f"probe per {period_s:g} s (here; 30 s in real life); nothing is lost"
        ),
    )

    def light_up() -> None:
        world.b.faults.outage = None

    async def written() -> str:
        rows = await world.store.history(flow=world.flow.name, since=went_dark_at, ops=("update",), limit=500)
        return f"caught up: {len(skus)} products, each written {len(rows) / len(skus):g} times".replace(
            "written 1 times", "written once"
        )

    yield Scene(
        name="recovery",
        title="Store B is back",
        detail=f"{len(skus)} changes waited",
        deed=light_up,
        by="next probe",
        seen=lambda: len(right()) == len(skus),
        note=written,
    )


# --- poison ---------------------------------------------------------------------------------------------------------


def _poison(world: World) -> Iterator[Scene]:
    a, b = world.a, world.b

    def create() -> None:
        b.shop.poisoned = {POISON.lower()}
        for number, sku in enumerate((*NEIGHBOURS[:2], POISON, *NEIGHBOURS[2:]), 1):
            a.merchant.create_product(f"Sampler knot {number}", sku, Decimal(12))

    async def parked() -> str:
        found = await world.store.marks(flow=world.flow.name, state=MarkState.PARKED)
        return next((mark.reason or "" for mark in found), "")

    async def as_it_should_be() -> bool:
        return all(product(b, sku) for sku in NEIGHBOURS) and product(b, POISON) is None and bool(await parked())

    async def why() -> str:
        return f"parked: {await parked()}"

    yield Scene(
        name="poison",
        title="A poison item",
        detail=f"five new products, B refuses {POISON}",
        deed=create,
        seen=as_it_should_be,
        note=why,
    )

    async def cured() -> bool:
        return product(b, CURED) is not None and not await parked()

    yield Scene(
        name="poison-cured",
        title="Fixed in store A",
        detail=f"{POISON} → {CURED}; it un-parks itself",
        deed=lambda: rename(a, POISON, CURED),
        seen=cured,
    )


# --- webhooks that come late, twice, or from somebody else -----------------------------------------------------------


def _webhooks(world: World) -> Iterator[Scene]:
    a, b = world.a, world.b
    text = "<p>Delivered late, and twice.</p>"
    before = len(world.inbox.topics), world.inbox.kept

    def edit() -> None:
        a.deliveries.mishaps = Mishaps(doubled=1.0, delayed=1.0, delay_s=(0.6, 0.9))
        a.merchant.edit_product(LOOM, description=text)
        a.deliveries.mishaps = Mishaps()

    def counted() -> str:
        came, kept = len(world.inbox.topics) - before[0], world.inbox.kept - before[1]
        return f"{came} deliveries of one event, {kept} kept"

    yield Scene(
        name="late-and-doubled",
        title="Late, doubled webhook",
        detail="table loom: description",
        deed=edit,
        seen=lambda: has(b, LOOM, description=text) and not len(a.deliveries),
        timed=False,
        note=counted,
    )
    answers: list[int] = []

    async def forge() -> None:
        answers.extend(await _forgeries(world))

    kept = world.inbox.kept

    def refused() -> bool:
        return answers == [401, 401, 401] and world.inbox.kept == kept and has(b, THROW, is_visible=True)

    yield Scene(
        name="forged",
        title="Forged webhooks",
        detail="“throw deleted”: false key, replayed, wrong address",
        deed=forge,
        by="refused",
        seen=refused,
        timed=False,
        note=lambda: f"answered {', '.join(map(str, answers))}; nothing was believed or kept",
    )


async def _forgeries(world: World) -> list[int]:
    """Three attempts to make the hub believe that the throw is gone; the answers."""
    found = product(world.a, THROW)
    body = json.dumps(
        {
            "scope": "store/product/deleted",
            "data": {"type": "product", "id": found.id if found else 0},
            "producer": f"stores/{world.a.settings.store_hash}",
            "created_at": int(world.clock.now().timestamp()),
        }
    ).encode()
    now_s = world.clock.now().timestamp()
    real_key = next(iter(world.a.settings.token_table().values())).client_secret.encode()
    false_key = signature(b"a guessed secret", "msg_forged_1", now_s, body)
    replayed = signature(real_key, "msg_forged_2", now_s - 3600, body)
    genuine = signature(real_key, "msg_forged_3", now_s, body)
    elsewhere = world.hook_url.rpartition("/")[0] + "/guessed"
    return [
        await world.doorstep.post(world.hook_url, false_key, body),
        await world.doorstep.post(world.hook_url, replayed, body),
        await world.doorstep.post(elsewhere, genuine, body),
    ]


# --- undo -----------------------------------------------------------------------------------------------------------


def _undo(world: World) -> Iterator[Scene]:
    a, b = world.a, world.b
    right, wrong = Decimal("94.50"), Decimal("9.45")
    there = product(a, THROW)
    key = FlowKey(world.flow.name, Kind.PRODUCT, Key(str(there.id if there else 0)))
    yield Scene(
        name="slip",
        title="A slip of the hand",
        detail="throw 94.50 → 9.45",
        deed=lambda: a.merchant.edit_product(THROW, price=wrong),
        seen=lambda: has(b, THROW, price=wrong),
    )

    async def take_back() -> None:
        rows = await world.store.history(key=key, limit=1)
        await world.hub.undo(world.flow, rows)

    yield Scene(
        name="undo",
        title="Undone in B",
        detail="that one change is taken back: 94.50",
        deed=take_back,
        by="a person",
        seen=lambda: has(b, THROW, price=right),
        note=lambda: "it stays so until store A itself changes the price",
    )

    async def agreed_again() -> bool:
        return has(b, THROW, price=right) and await at_rest(world, 0.0) and world.inbox.kept > before

    before = world.inbox.kept
    yield Scene(
        name="corrected",
        title="Corrected in store A",
        detail="throw 9.45 → 94.50",
        deed=lambda: a.merchant.edit_product(THROW, price=right),
        seen=agreed_again,
        timed=False,
        note=lambda: "both agree already: nothing to write",
    )
