"""Journal, marks and lanes against a model of a few lines, whatever happens in which order (semantics 3.1, Q1 to Q4).

The oracle does not know how it is stored: a notice that was acknowledged stays owed until somebody who claimed its key
afterwards, and still owned the lane when settling, has done it.
"""

from __future__ import annotations

from collections.abc import Coroutine
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from storeweave.model.state import Done, Failed, LaneHold, Mark, MarkState, Settlement
from storeweave.storage import Inline, SqlStore, journal, lanes, marks, open_store, settlement
from storeweave.storage.session import Session
from storeweave.storage.statements import Statement
from tests.storage.samples import LANE, notice
from tests.virtual_clock import VirtualClock

T = TypeVar("T")
LEASE_S = 60.0
KEYS = ("a", "b", "c")
some_keys = st.lists(st.sampled_from(KEYS), min_size=1, max_size=4)
workers = st.sampled_from((0, 1))
OUTCOMES = ("done", "done", "fail", "park", "drop")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run what never waits: everything is inline."""
    try:
        work.send(None)
    except StopIteration as result:
        return result.value  # type: ignore[no-any-return]
    raise AssertionError("it waited")


@dataclass
class ModelMark:
    """What a mark must be."""

    want: int
    due_at: datetime
    state: MarkState = MarkState.DIRTY
    attempts: int = 0
    verify: bool = False


@dataclass
class Worker:
    """A process: it may be stopped for long and go on, or die."""

    hold: LaneHold | None = None
    claims: list[Mark] = field(default_factory=list)
    claimed_at: int = 0  # in steps of the oracle's own time


class Machine(RuleBasedStateMachine):
    """Everything that can happen to a lane and its marks."""

    def __init__(self, store: SqlStore, clock: VirtualClock) -> None:
        super().__init__()
        self.store, self.clock = store, clock
        run(store._executor.write("wipe", wipe))
        self.workers = (Worker(), Worker())
        self.marks: dict[str, ModelMark] = {}
        self.owed: dict[str, int] = {}  # key -> step of its newest acknowledged notice that nobody has served
        self.delivered: set[str] = set()
        self.epoch, self.owner, self.live = 0, -1, False
        self.in_hand: set[str] = set()
        self.step = 0

    @property
    def now(self) -> datetime:
        return self.clock.now()

    # What happens

    @rule(names=some_keys, delay_s=st.sampled_from((0, 5)), verify=st.booleans(), delivery=st.integers(0, 6))
    def a_notice_comes(self, names: list[str], delay_s: int, verify: bool, delivery: int) -> None:
        self.step += 1
        due_at = self.now + timedelta(seconds=delay_s)
        ids = [f"{delivery}-{name}" if delivery else None for name in names]
        numbers = run(
            self.store.accept(
                [
                    notice(name, at=self.now, due_at=due_at, verify=verify, delivery_id=id_)
                    for name, id_ in zip(names, ids, strict=True)
                ]
            )
        )
        for name, id_, number in zip(names, ids, numbers, strict=True):
            assert (number is None) == (id_ in self.delivered)
            if id_ is not None:
                self.delivered.add(id_)
            if number is not None:
                self._mark(name, number, due_at, verify=verify)
                self.owed[name] = self.step

    @precondition(lambda self: any(w.claims for w in self.workers))
    @rule(data=st.data())
    def a_notice_comes_for_a_key_in_work(self, data: st.DataObject) -> None:
        claimed = [str(mark.key.key) for worker in self.workers for mark in worker.claims]
        self.a_notice_comes([data.draw(st.sampled_from(claimed))], 0, False, 0)

    def _mark(self, name: str, number: int, due_at: datetime, *, verify: bool) -> None:
        old = self.marks.get(name)
        if old is not None:
            assert number > old.want
            due_at, verify = min(due_at, old.due_at), verify or old.verify
        self.marks[name] = ModelMark(want=number, due_at=due_at, verify=verify)

    @rule(worker=workers)
    def a_worker_wants_the_lane(self, worker: int) -> None:
        hold = run(self.store.take_lane(LANE, f"worker {worker}", LEASE_S))
        if self.live and self.owner != worker:
            assert hold is None
            return
        assert hold is not None
        assert hold.epoch > self.epoch
        assert {k.key for k in hold.in_hand} == self.in_hand
        assert hold.took_over == bool(self.in_hand)
        self.epoch, self.owner, self.live = hold.epoch, worker, True
        self.workers[worker].hold = hold
        self.workers[worker].claims = []

    @precondition(lambda self: any(w.hold and not w.claims for w in self.workers))
    @rule(data=st.data(), limit=st.integers(1, 3))
    def a_worker_claims(self, data: st.DataObject, limit: int) -> None:
        worker = data.draw(st.sampled_from([n for n, w in enumerate(self.workers) if w.hold and not w.claims]))
        me = self.workers[worker]
        assert me.hold is not None
        self.step += 1
        me.claims = list(run(self.store.due(LANE, self.now, limit)))
        me.claimed_at = self.step
        due = sorted((m.due_at, n) for n, m in self.marks.items() if m.due_at <= self.now)
        assert [mark.key.key for mark in me.claims] == [name for _, name in due[:limit]]
        keys = [mark.key for mark in me.claims]
        mine = me.hold.epoch == self.epoch and self.owner == worker
        assert run(self.store.renew_lane(me.hold, keys)) == mine
        if mine:
            self.live = True
            self.in_hand = {str(k.key) for k in keys}

    @precondition(lambda self: any(w.claims for w in self.workers))
    @rule(data=st.data(), outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=3, max_size=3))
    def a_worker_settles(self, data: st.DataObject, outcomes: list[str]) -> None:
        worker = data.draw(st.sampled_from([n for n, w in enumerate(self.workers) if w.claims]))
        me = self.workers[worker]
        assert me.hold is not None
        done, failed = [], []
        for mark, outcome in zip(me.claims, outcomes, strict=False):
            if outcome == "done":
                done.append(Done(key=mark.key, want=mark.want))
            elif outcome != "drop":
                state = MarkState.PARKED if outcome == "park" else MarkState.DIRTY
                due_at = self.now + timedelta(seconds=30)
                failed.append(
                    Failed(key=mark.key, want=mark.want, due_at=due_at, state=state, attempts=mark.attempts + 1)
                )
        worked = [mark.key for mark in me.claims]
        stored = run(self.store.settle(me.hold, Settlement(done=done, failed=failed, worked=worked)))
        mine = me.hold.epoch == self.epoch and self.owner == worker
        assert stored == mine
        if stored:
            self._settled(me, done, failed)
            self.in_hand -= {str(k.key) for k in worked}
        else:
            self._fenced([str(k.key) for k in worked])
        me.claims = []

    def _settled(self, me: Worker, done: list[Done], failed: list[Failed]) -> None:
        for one in done:
            name = str(one.key.key)
            if self.owed.get(name, 0) < me.claimed_at:
                self.owed.pop(name, None)
            if name in self.marks and self.marks[name].want == one.want:
                del self.marks[name]
        for other in failed:
            mark = self.marks.get(str(other.key.key))
            if mark is not None and mark.want == other.want:
                mark.state, mark.due_at, mark.attempts = other.state, other.due_at, other.attempts

    def _fenced(self, worked: list[str]) -> None:
        """Its late writes may have done harm: the keys are owed once more."""
        self.step += 1
        after = {str(mark.key.key): mark for mark in run(self.store.marks())}
        for name in sorted(set(worked)):
            assert name in after, f"{name} was not marked again"
            self._mark(name, after[name].want, self.now, verify=True)
            self.owed[name] = self.step

    @precondition(lambda self: any(w.hold for w in self.workers))
    @rule(data=st.data())
    def a_worker_gives_the_lane_back(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([n for n, w in enumerate(self.workers) if w.hold]))
        me = self.workers[worker]
        assert me.hold is not None
        run(self.store.release_lane(me.hold))
        if me.hold.epoch == self.epoch and self.owner == worker:
            self.owner, self.live = -1, False
        # It keeps its claims and its worthless hold, as a process would that goes on by mistake.

    @precondition(lambda self: any(w.claims for w in self.workers))
    @rule(worker=workers)
    def a_worker_dies(self, worker: int) -> None:
        self.workers[worker].hold, self.workers[worker].claims = None, []

    @precondition(lambda self: self.live)
    @rule()
    def the_lease_runs_out(self) -> None:
        if self.store.rings:
            run(self.store._executor.write("lapse", lapse))
        else:
            self.clock.push(LEASE_S)
        self.live = False

    @rule(wait_s=st.sampled_from((1, 5, 40)))
    def time_passes(self, wait_s: int) -> None:
        if not self.store.rings and self.live:
            # The lease goes by the same clock here: the owner's task renews it meanwhile.
            hold = self.workers[self.owner].hold
            if hold is None or hold.epoch != self.epoch or not run(self.store.renew_lane(hold)):
                self.live = False
                self.clock.push(LEASE_S)
        self.clock.push(wait_s)

    @precondition(lambda self: any(m.state is MarkState.PARKED for m in self.marks.values()))
    @rule()
    def a_person_retries_what_is_parked(self) -> None:
        parked = [mark for mark in self.marks.values() if mark.state is MarkState.PARKED]
        assert run(self.store.retry_parked(flow=None, reason_code=None, now=self.now)) == len(parked)
        for mark in parked:
            mark.state, mark.due_at, mark.attempts = MarkState.DIRTY, self.now, 0

    # What must hold

    @invariant()
    def nothing_owed_is_without_a_mark(self) -> None:
        """Q1, Q4."""
        assert set(self.owed) <= {str(mark.key.key) for mark in run(self.store.marks())}

    @invariant()
    def the_marks_are_those_of_the_model(self) -> None:
        """Q2: what was done with nothing new leaves no mark, so it is not done again."""
        stored = {
            str(mark.key.key): ModelMark(mark.want, mark.due_at, mark.state, mark.attempts, mark.verify)
            for mark in run(self.store.marks())
        }
        assert stored == self.marks


def wipe(session: Session) -> None:
    for table in ("mark", "lane", "journal"):
        session.script(f"delete from {table}")


def lapse(session: Session) -> None:
    session.script("update lane set lease_until = 0")


def prove(url: str, *, examples: int, mutant: bool = False) -> None:
    """Run the machine. A mutant is run the same way every time, and only until it is found."""
    clock = VirtualClock()
    store = open_store(url, executor=Inline(), clock=clock)
    try:
        run_state_machine_as_test(
            lambda: Machine(store, clock),  # type: ignore[arg-type]  # a factory will do, says its documentation
            settings=settings(
                max_examples=examples,
                stateful_step_count=40,
                deadline=None,
                phases=(Phase.generate,) if mutant else tuple(Phase),
                derandomize=mutant,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        run(store.close())


def test_no_notice_is_lost_and_none_is_done_twice_on_sqlite() -> None:
    prove("sqlite://", examples=150)


@pytest.mark.postgres
def test_no_notice_is_lost_and_none_is_done_twice_on_postgresql(empty_postgres_url: str) -> None:
    prove(empty_postgres_url, examples=25)


def _without_want() -> tuple[object, str, Statement]:
    text = "delete from mark where (flow, kind, key) in (select flow, kind, key from {rows})"
    return settlement, "DELETE_DONE", Statement(text, rows="flow text, kind text, key text, want bigint")


def _without_epoch() -> tuple[object, str, Statement]:
    return lanes, "GUARD", Statement("select in_hand from lane where lane = :lane and :epoch = :epoch")


def _with_a_standing_want() -> tuple[object, str, Statement]:
    broken = copy(journal.UPSERT_MARKS)
    prepared = broken.prepared("sqlite")
    sql = prepared.sql.replace("want = max(mark.want, excluded.want)", "want = mark.want")
    assert sql != prepared.sql
    broken._prepared = {"sqlite": msgspec.structs.replace(prepared, sql=sql)}
    return journal, "UPSERT_MARKS", broken


def _failing_newer_notices() -> tuple[object, str, Statement]:
    text = """
        update mark set state = r.state, due_at = r.due_at, attempts = r.attempts from {rows}
        where mark.flow = r.flow and mark.kind = r.kind and mark.key = r.key
    """
    rows = (
        "flow text, kind text, key text, want bigint, state text, due_at bigint, attempts integer, reason text, "
        "reason_code text, content text, brake bigint, verify boolean"
    )
    return settlement, "UPDATE_FAILED", Statement(text, rows=rows)


def _forgetting_what_is_in_hand() -> tuple[object, str, Statement]:
    text = "update lane set epoch = epoch + 1, holder = :holder, lease_until = {now} + :lease_us, in_hand = '[]'"
    return lanes, "TAKE", Statement(text + " where lane = :lane returning epoch")


@pytest.mark.parametrize(
    "mutant",
    [_without_want, _without_epoch, _with_a_standing_want, _failing_newer_notices, _forgetting_what_is_in_hand],
)
def test_each_rule_is_necessary(mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same proof fails as soon as one rule is taken out of a statement."""
    module, name, statement = mutant()
    monkeypatch.setattr(module, name, statement)
    with pytest.raises(AssertionError):
        prove("sqlite://", examples=400, mutant=True)


def test_marking_a_stale_batch_again_is_necessary(monkeypatch: pytest.MonkeyPatch) -> None:
    accept = journal.accept

    def forgetful(session: Session, items: Any) -> Any:
        return accept(session, [item for item in items if item.notice.topic or item.notice.cause != "retry"])

    monkeypatch.setattr(journal, "accept", forgetful)
    with pytest.raises(AssertionError):
        prove("sqlite://", examples=400, mutant=True)


def test_marks_are_locked_in_key_order_before_they_are_changed_in_any_other() -> None:
    sql = marks.LOCK_MARKS.prepared("postgresql").sql
    assert sql.endswith("order by m.flow, m.kind, m.key for update of m")
