"""The loop of one lane: own it, claim what is due, carry it out, settle, and go on until nothing is due.

One owner at a time, batches one after another. This is one of the three doors where any exception is caught: what our
own code throws parks a key as a bug, and its neighbours go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import timedelta
from uuid import uuid4

import structlog

from storeweave.engine.backoff import backoff_s
from storeweave.engine.batch import Batch
from storeweave.engine.breaker import PROBE_S, Breaker
from storeweave.engine.held import HeldLane, held
from storeweave.engine.results import Results
from storeweave.engine.world import World
from storeweave.engine.writing import carry_out
from storeweave.model.errors import LaneBlockedError, LeaseLostError, RateLimitedError, TransientError
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName, LaneName
from storeweave.model.records import Cause, FlowKey, Notice
from storeweave.model.state import Acceptance, ConnectionRow, Failed, Mark, MarkRequest, MarkState

log = structlog.get_logger(__name__)

_LARGEST_BATCH = 250
_FIRST_BATCH = 50
_SLOW_S, _QUICK_S = 3.0, 1.0
_RECHECK_S = 60.0
_SHORTEST_WAIT_S = 0.05
"""A wait that rounds to nothing would turn the lane round on the spot."""


class Lane:
    """One destination connection's way in."""

    def __init__(
        self,
        name: LaneName,
        flows: Sequence[FlowSpec],
        world: World,
        *,
        holder: str,
        lease_s: float = 6.0,
        exclusive: bool = False,
        probe_s: float = PROBE_S,
    ) -> None:
        """``exclusive``: no other process can own the lane (single-process lock), so a dead owner's lease is void."""
        self.name = name
        self._flows: Mapping[FlowName, FlowSpec] = {f.name: f for f in flows}
        self._world = world
        self._holder = holder
        self._lease_s = lease_s
        self._exclusive = exclusive
        self._probe_s = probe_s
        self._breaker = Breaker(world.clock, probe_s=probe_s)
        self._batch = _FIRST_BATCH
        self._read_failures = 0
        self._blocked_until: dict[ConnectionName, float] = {}
        self._alone: set[FlowKey] = set()

    async def drain(self) -> float | None:
        """Work until nothing is due; seconds until there may be more, None when nothing is waiting."""
        if (wait_s := self._breaker.wait_s()) > 0:
            return wait_s
        # Look before leasing: lanes with nothing due cost no writes, and nobody finds them owned for no reason.
        if (next_s := await self._next_s()) is None or next_s > 0:
            return next_s
        async with held(
            self.name,
            store=self._world.store,
            clock=self._world.clock,
            holder=self._holder,
            lease_s=self._lease_s,
            exclusive=self._exclusive,
            safety=self._world.safety,
        ) as mine:
            if mine is None:
                return self._lease_s
            try:
                await self._confirm_what_the_last_owner_wrote(mine)
                wait = await self._work_off(mine)
            except LeaseLostError as error:
                log.warning("lane.lost", lane=self.name, reason=str(error))
                return 0.5
        return wait if wait is not None else await self._next_s()

    async def _work_off(self, mine: HeldLane) -> float | None:
        store, clock = self._world.store, self._world.clock
        while True:
            pauses = await store.lane_pauses()
            now = clock.now()
            if self.name in pauses and pauses[self.name][0] > now:
                return min(5.0, (pauses[self.name][0] - now).total_seconds())
            marks = await store.due(self.name, now, 1 if self._breaker.is_open else self._batch)
            if not marks:
                return None
            group = _first_group(marks, self._alone)
            started = clock.monotonic()
            results = await self._one_batch(mine, group)
            if not await store.settle(mine.hold, results.settlement()):
                log.warning("lane.fenced", lane=self.name, keys=len(group))
                return 0.5
            self._adapt(clock.monotonic() - started, len(group))
            if (wait := await self._judge(results)) is not None:
                return wait

    async def _one_batch(self, mine: HeldLane, marks: Sequence[Mark]) -> Results:
        flow = self._flows.get(marks[0].key.flow)
        if flow is None:
            return self._homeless(marks)
        permit = mine.probe if self._breaker.is_open else mine.permit
        batch = Batch(self._world, flow, marks[0].key.kind, marks, permit, carry_out=carry_out, show_hand=mine.renew)
        batch.results.worked = [m.key for m in marks]
        blocked = self._blocked_until.get(flow.source, 0.0) - self._world.clock.monotonic()
        if blocked > 0:
            wait_s = max(blocked, _SHORTEST_WAIT_S)
            return self._postpone(batch, marks, wait_s, f"connection {flow.source} is blocked", "blocked")
        try:
            await carry_out(batch)
        except LeaseLostError:
            # What was sent last is not recorded: those keys stay dirty, and the destination is looked at next time.
            self._postpone(batch, marks, 0.0, "the lease ended in the middle", "lease", verify=True)
            await self._world.store.settle(mine.hold, batch.results.settlement())
            raise
        except LaneBlockedError as error:
            return await self._block(batch, marks, error)
        except RateLimitedError as error:
            batch.results.limited_s = error.wait_s or 1.0
            return self._postpone(batch, marks, error.wait_s or 1.0, str(error), error.code)
        except TransientError as error:
            return self._read_failed(batch, marks, error)
        except Exception as error:  # noqa: BLE001 - the lane's door: our own mistakes park a key, not the lane
            return self._bug(batch, marks, error)
        self._alone.difference_update(m.key for m in marks)
        self._read_failures = 0
        return batch.results

    async def _confirm_what_the_last_owner_wrote(self, mine: HeldLane) -> None:
        """It may be alive still, and its last calls under way (semantics 3.1)."""
        keys = [k for k in mine.hold.in_hand if k.flow in self._flows]
        if not mine.hold.took_over or not keys or not self._world.safety.confirm_after_takeover:
            return
        now = self._world.clock.now()
        items = []
        for key in keys:
            flow = self._flows[key.flow]
            notice = Notice(connection=flow.source, kind=key.kind, key=key.key, cause=Cause.CONFIRM, verify=True)
            items.append(
                Acceptance(
                    notice=notice,
                    received_at=now,
                    marks=(
                        MarkRequest(key=key, lane=self.name, due_at=now + timedelta(seconds=self._landing_s(flow))),
                    ),
                )
            )
        await self._world.store.accept(items)
        lag_s = max(self._world.connectors[self._flows[k.flow].destination].abilities.read_lag_s for k in keys)
        if lag_s:  # and what it wrote last may not be shown yet
            due_at = now + timedelta(seconds=lag_s * 1.2)
            await self._world.store.mark_state(keys, MarkState.DIRTY, due_at=due_at)
        await mine.renew([])  # the marks remember them now; else they would be put off at every turn
        log.info("lane.taken-over", lane=self.name, confirm=len(keys))

    def _landing_s(self, flow: FlowSpec) -> float:
        abilities = self._world.connectors[flow.destination].abilities
        return abilities.request_timeout_s + abilities.late_landing_s

    # --- verdicts on a whole batch ----------------------------------------------------------------------------------

    async def _judge(self, results: Results) -> float | None:
        """What a batch says about the destination: an outage, a limit, a lock; seconds to wait, None to go on."""
        if results.blocked is not None:
            await self._note_blocked(ConnectionName(self.name), results.blocked)
            until = self._world.clock.now() + timedelta(seconds=_RECHECK_S)
            await self._world.store.pause_lane(self.name, until, str(results.blocked))
            return _RECHECK_S
        if results.written:
            if self._breaker.succeeded():
                log.info("lane.recovered", lane=self.name)
        elif results.transient and self._breaker.failed(f.key for f in self._suspects(results)):
            log.warning("lane.outage", lane=self.name, reason=next((f.reason for f in results.failed), ""))
        if self._breaker.is_open:
            return self._breaker.wait_s()
        return results.limited_s or None

    def _suspects(self, results: Results) -> Sequence[Failed]:
        """Keys that speak for an outage: those whose write failed; one for each batch in a row that failed whole."""
        return results.failed[: self._read_failures] if self._read_failures else results.failed

    def _read_failed(self, batch: Batch, marks: Sequence[Mark], error: TransientError) -> Results:
        """Nothing was written: the batch is tried again soon, without an attempt on any key's account.

        A store that cannot be read again and again is down: the destination's breaker hears of it, and a source is left
        alone for as long as this batch waits.
        """
        wait_s = error.wait_s
        if wait_s is None:  # no longer than until the next probe, which this batch may be
            wait_s = backoff_s(self._read_failures, self._world.rng, cap_s=self._probe_s)
        self._read_failures += 1
        results = self._postpone(batch, marks, wait_s, str(error), error.code)
        if batch.blocked_on == batch.flow.destination:
            results.transient = min(self._read_failures, len(marks))
        elif self._read_failures > 1:
            self._blocked_until[batch.flow.source] = self._world.clock.monotonic() + wait_s
        return results

    def _postpone(
        self, batch: Batch, marks: Sequence[Mark], wait_s: float, reason: str, code: str, *, verify: bool = False
    ) -> Results:
        """Whatever has no verdict yet is tried again in ``wait_s``, without an attempt on its account."""
        results, now = batch.results, self._world.clock.now()
        for mark in results.undecided(marks):
            results.later(mark, now, wait_s, reason, code, counted=False, verify=verify or batch.sending)
        return results

    def _homeless(self, marks: Sequence[Mark]) -> Results:
        """Marks of a flow that is not configured any more: parked, in case it comes back."""
        results = Results(rng=self._world.rng, safety=self._world.safety, source=ConnectionName(""))
        for mark in marks:
            reason = f"flow {mark.key.flow} is not in the configuration any more"
            results.park(mark, reason, "no-flow", self._world.clock.now())
        return results

    async def _block(self, batch: Batch, marks: Sequence[Mark], error: LaneBlockedError) -> Results:
        """Credentials, plan or scope: the connection waits for a person, and is tried now and then."""
        clock, name = self._world.clock, batch.blocked_on
        results = self._postpone(batch, marks, _RECHECK_S, str(error), "blocked")
        if name == batch.flow.destination:
            results.blocked = error
        else:
            await self._note_blocked(name, error)
            self._blocked_until[name] = clock.monotonic() + _RECHECK_S
        return results

    async def _note_blocked(self, name: ConnectionName, error: LaneBlockedError) -> None:
        clock, store = self._world.clock, self._world.store
        known = await store.connection(name)
        if known is None or known.state != "blocked":
            log.error("connection.blocked", connection=name, reason=str(error))
            await store.put_connection(
                ConnectionRow(
                    name=name,
                    fingerprint=known.fingerprint if known else None,
                    account=known.account if known else "",
                    state="blocked",
                    reason=str(error),
                    changed_at=clock.now(),
                )
            )

    def _bug(self, batch: Batch, marks: Sequence[Mark], error: Exception) -> Results:
        """Our own mistake. Whose it is, shows when those that have no verdict yet are taken one by one."""
        results, rest = batch.results, batch.results.undecided(marks)
        if len(rest) == 1 or not self._world.safety.neighbours_go_on:
            trace = uuid4().hex[:12]
            log.error("key.bug", lane=self.name, key=rest[0].key.key if rest else "", trace=trace, exc_info=error)
            for mark in rest:
                results.bug(mark, error, self._world.clock.now(), trace)
            return results
        self._alone.update(m.key for m in rest)
        reason = "a mistake of ours ended the batch it was in"
        return self._postpone(batch, marks, 0.0, reason, "bug-nearby", verify=batch.sending)

    def _adapt(self, took_s: float, keys: int) -> None:
        """Batches of a second or three: a change of price does not wait behind an hour of first uploads."""
        if took_s > _SLOW_S and keys > 1:
            self._batch = max(5, min(keys, self._batch) // 2)
        elif took_s < _QUICK_S and keys >= self._batch:
            self._batch = min(_LARGEST_BATCH, self._batch * 2)

    async def _next_s(self) -> float | None:
        due = await self._world.store.next_due(self.name)
        return None if due is None else max(0.0, (due - self._world.clock.now()).total_seconds())


def _first_group(marks: Sequence[Mark], alone: Set[FlowKey]) -> list[Mark]:
    """The leading marks of one flow and kind; the store's order has put what is referred to first.

    ``alone`` are keys to be taken by themselves: one of them makes our own code stumble.
    """
    first = marks[0].key
    if first in alone:
        return [marks[0]]
    return [m for m in marks if (m.key.flow, m.key.kind) == (first.flow, first.kind) and m.key not in alone]
