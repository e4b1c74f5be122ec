"""Kill -9 while it works, and look whether anything was lost: ``python -m tests.crash.kill_run --kills 200``.

Two stores run as processes of their own; both spoil their calls by a plan from a seed (refusals, 429, broken and silent
lines, errors after the effect, effects that land late, torn answers). The hub starts with nothing, makes its first full
pass over cold keys, takes webhooks in at its door, and is killed again and again: at any moment, at birth, the instant
after an answer of its door has left, when that acknowledgement arrives, at a write's arrival and at its effect. It is
started again at once. The merchant of store A goes on working all the time.

What counts as caught up: the last kill comes when the cold keys are there, amid a burst of webhooks. At that moment
the calls stop going wrong. From the start of the next life until the last write that brings the stores to agreement may
pass ``CAUGHT_UP_S``, start-up included. How fast the lives before worked again, under fire, is measured and printed.
The last line printed is the verdict.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import msgspec

from storeweave.twinkit.deliveries import Mishaps
from storeweave.twinkit.faults import Fault
from tests.crash.database import database
from tests.crash.hub_process import HubOrder
from tests.crash.merchant import Merchant
from tests.crash.rig import CLOCK, CrashError, Hub, Store, free_port, hub, settled, stores, until
from tests.crash.twin_process import Trigger, TwinOrder
from tests.crash.verdict import Verdict, judged

FEWEST_KEYS, MOST_KEYS = 300, 5000
BURST = 100
HOOKS = 13
KINDS = ("any", "birth", "answer", "ack", "arrival", "effect")
SHARES = (45, 15, 10, 6, 12, 12)
MISHAPS = Mishaps(doubled=0.05, delayed=0.1, delay_s=(0.1, 1.0), reordered=0.1)
LATE_S, SLOW_S = (0.1, 1.2), (0.1, 1.2)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is about."""

    kills: int
    keys: int = 5000
    faults: float = 0.12
    seed: int = 1
    mutant: str = ""
    strict: bool = False
    database: str = "sqlite"
    life_s: float = 2.0
    edit_every_s: float = 0.2
    limit_s: float = 900.0

    @property
    def bursts(self) -> int:
        """How many of the kills come amid a burst of webhooks, when the cold keys are there."""
        return min(self.kills, max(3, self.kills // 20))


class Run:
    """One run on its way."""

    def __init__(self, plan: Plan, a: Store, b: Store, it: Hub, merchant: Merchant) -> None:
        self.plan = plan
        self.a, self.b, self.hub, self.merchant = a, b, it, merchant
        self.rng = random.Random(plan.seed)
        self.kills = 0
        self.how: dict[str, int] = {}
        self.stage = "the start"
        self.is_over = False
        self.started = CLOCK.monotonic()

    async def go(self) -> Verdict:
        """All of it."""
        for store in (self.a, self.b):
            await store.tell("faults", fault_plan(self.plan.faults))
        await self.hub.start()
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._merchant_works())
            news = group.create_task(self._news())
            while self.kills < self.plan.kills - self.plan.bursts:
                await self._live_and_die()
            while self.kills < self.plan.kills - 1:
                await self._die_amid_a_burst()
            self.is_over = True
            await work
            news.cancel()
        await self._die_amid_a_burst(is_last=True)
        await self._settled()
        return await judged(
            self.a,
            self.b,
            self.hub,
            kills=self.kills,
            how=self.how,
            keys=self.plan.keys,
            edits=self.merchant.edits,
            began_at=self.started,
        )

    async def _live_and_die(self) -> None:
        self.stage = f"kill {self.kills + 1}"
        how = self.rng.choices(KINDS, SHARES)[0]
        if how == "answer" and self.hub.served:
            how = "ack"
        if how != "birth":
            await self.hub.ready()
        if how in ("any", "birth"):
            await asyncio.sleep(self.rng.uniform(0.0, self.plan.life_s if how == "any" else 0.8))
            await self.hub.kill()
        elif how == "answer":
            await self.hub.die_at_answer(self.rng.randint(1, 3))
            if not await self.hub.killed(limit_s=2 * self.plan.life_s):
                await self.hub.kill()
        else:
            await self._killed_at(how, self.rng.randint(1, 3 if how == "ack" else 40))
        await self._again(how)

    async def _killed_at(self, moment: str, after: int) -> None:
        """Let a store kill it; by hand, if that moment does not come."""
        store = self.a if moment == "ack" else self.b
        await store.tell("arm", Trigger(pid=self.hub.pid, moment=moment, after=after))
        if not await self.hub.killed(limit_s=2 * self.plan.life_s):
            await self.hub.kill()
        await store.tell("arm", b"")

    async def _again(self, how: str) -> None:
        self.kills += 1
        self.how[how] = self.how.get(how, 0) + 1
        await self.hub.start()

    async def _merchant_works(self) -> None:
        async def subscribed() -> bool:
            return bool((await self.a.ask("counts"))["hooks"] >= HOOKS)

        await until(subscribed, "webhooks subscribed", limit_s=self.plan.limit_s)
        while not self.is_over:
            await self.merchant.edit()
            await asyncio.sleep(self.rng.uniform(0.0, 2 * self.plan.edit_every_s))

    async def _loaded(self) -> None:
        """Every cold key was there once, and what is open is no more than what the merchant has just done."""

        async def done() -> bool:
            status = await self.hub.status()
            return bool(status.get("first_sync")) and status["dirty"] + status["backing_off"] <= BURST // 2

        self.stage = "the cold keys"
        left_s = self.plan.limit_s - (CLOCK.monotonic() - self.started)
        await until(done, "the cold keys done", limit_s=max(left_s, 1.0), every_s=0.5)

    async def _die_amid_a_burst(self, *, is_last: bool = False) -> None:
        """Many webhooks at once about keys that agree; the last time, calls go wrong no more from that moment on."""
        await self.hub.ready()
        await self._loaded()
        self.stage = "a burst"
        await self.a.tell("sends", False)
        await self.merchant.burst(min(BURST, self.plan.keys // 4))
        after = self.rng.randint(1, BURST // 4)
        if self.hub.served:
            await self.a.tell("arm", Trigger(pid=self.hub.pid, moment="ack", after=after))
        else:
            await self.hub.die_at_answer(after)
        await self.a.tell("sends", True)
        if not await self.hub.killed(limit_s=2 * self.plan.life_s):
            await self.hub.kill()
        await self.a.tell("arm", b"")
        if is_last:
            for store in (self.a, self.b):
                await store.tell("faults", {})
        await self._again("burst")

    async def _settled(self) -> None:
        self.stage = "the rest"
        await self.hub.ready()
        await settled(self.a, self.b, self.hub)

    async def _news(self) -> None:
        while True:
            await asyncio.sleep(10.0)
            a, b, status = await self.a.ask("counts"), await self.b.ask("counts"), await self.hub.status()
            faulty = sum(a["faults"].values()) + sum(b["faults"].values())
            say(
                f"{CLOCK.monotonic() - self.started:5.0f} s  {self.kills} kills, {b['products']} of {a['products']} "
                f"products there, {self.merchant.edits} edits, {a['acknowledged']} webhooks acknowledged, "
                f"{a['calls'] + b['calls']} calls, {faulty} faulty; dirty {status.get('dirty', '-')}, "
                f"backing off {status.get('backing_off', '-')}, parked {status.get('parked', '-')}"
            )


def fault_plan(share: float) -> dict[str, object]:
    """Every fault equally often; a 429 always with its headers, as without them the hub keeps away for 30 s."""
    if not share:
        return {}
    return {"share": share, "overloaded": 0.0, "limited": 2 * share / len(Fault), "late_s": LATE_S, "slow_s": SLOW_S}


def say(text: str) -> None:
    print(text, flush=True)


async def run(plan: Plan, folder: Path) -> Verdict:
    """One run from nothing to its verdict; raises CrashError when it does not come to an end."""
    async with AsyncExitStack() as stack:
        source = TwinOrder(store_hash="a", products=plan.keys, seed=plan.seed, mishaps=MISHAPS)
        destination = TwinOrder(store_hash="b", seed=plan.seed + 1, first_id=1_000_000)
        a, b = await stack.enter_async_context(stores(source, destination, folder=folder))
        order = HubOrder(
            database=stack.enter_context(database(plan.database, folder)),
            a_url=a.url,
            b_url=b.url,
            port=free_port(),
            mutant=plan.mutant,
            seed=plan.seed,
        )
        it = await stack.enter_async_context(hub(order, folder=folder, served=not plan.strict))
        state = await a.ask("state")
        expect = partial(b.tell, "expect")
        merchant = Merchant(a.deed, expect, state["products"], state["categories"], random.Random(plan.seed))
        it_runs = Run(plan, a, b, it, merchant)
        try:
            async with asyncio.timeout(plan.limit_s):
                return await it_runs.go()
        except TimeoutError:
            raise CrashError(f"not over within {plan.limit_s:g} s: {it_runs.stage}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(prog="tests.crash.kill_run", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--keys", type=int, help="products that are cold at the start; default: 25 a kill, up to 5000")
    parser.add_argument("--faults", type=float, default=0.12, help="share of calls that go wrong")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--strict", action="store_true", help="no polls and sweeps that might repair what was lost")
    parser.add_argument("--mutant", default="", choices=["", "ack-before-commit"], help="a broken hub; is strict")
    parser.add_argument("--database", default="sqlite", choices=["sqlite", "postgres"])
    parser.add_argument("--life-s", type=float, default=2.0, help="longest time between ready and a kill")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which the run has failed")
    parser.add_argument("--folder", type=Path, help="where database and logs stay; default: removed at the end")
    told = parser.parse_args(arguments)
    plan = Plan(
        kills=told.kills,
        keys=told.keys or min(MOST_KEYS, max(FEWEST_KEYS, 25 * told.kills)),
        faults=told.faults,
        seed=told.seed,
        mutant=told.mutant,
        strict=told.strict or bool(told.mutant),
        database=told.database,
        life_s=told.life_s,
        limit_s=told.limit,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the children are ended, too
    with tempfile.TemporaryDirectory(prefix="storeweave-crash-") as temporary:
        folder = told.folder or Path(temporary)
        try:
            verdict = asyncio.run(run(plan, folder))
        except (CrashError, ExceptionGroup) as error:
            say(f"FAIL: {error!r}")
            return 1
    for line in verdict.lines():
        say(line)
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    sys.exit(main())
