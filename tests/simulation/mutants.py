"""The safety rules, each removed alone, with the scene in which its absence is noticed.

A rule earns its place here: with it the scene is green for every seed, without it some seed of the first few fails.
Rules that no whole-system scene can show missing have a test of their own in ``tests/engine``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from storeweave.engine.safety import ALL_RULES, SafetyRules
from tests.simulation import broken_stores
from tests.simulation.life import HABITS
from tests.simulation.scenes import Scene
from tests.simulation.virtual import run_virtually
from tests.simulation.world import SourceMutant, StoreMutant, World

QUIET = Scene(fault_share=0.0, kills=0, cuts=0, notice_delay_s=0.0, doubled=0.0, workers=1)
"""A world in which nothing goes wrong by itself; mutants add what they need."""


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """One rule removed. ``store`` makes what stands between processes and the store, afresh for each world."""

    rule: str
    section: str
    scene: Scene
    seeds: int = 20
    safety: SafetyRules = ALL_RULES
    store: Callable[[], StoreMutant] | None = None
    source: SourceMutant | None = None

    def run(self, seed: int) -> list[str]:
        """What goes wrong without the rule."""
        world = World(
            seed,
            self.scene,
            self.safety,
            store_mutant=self.store() if self.store is not None else None,
            source_mutant=self.source,
        )
        return run_virtually(world.run())

    def first_failing(self) -> tuple[int | None, str]:
        """The first seed that notices, and what it says."""
        for seed in range(self.seeds):
            if wrong := self.run(seed):
                return seed, wrong[0]
        return None, ""


def _scene(**changes: object) -> Scene:
    return msgspec.structs.replace(QUIET, **changes)


def _without(rule: str, section: str, scene: Scene) -> Mutant:
    return Mutant(rule=rule, section=section, scene=scene, safety=SafetyRules(**{rule: False}))


_ONLY: Mapping[str, int] = dict.fromkeys(HABITS, 0)
_WAVERING: Mapping[str, int] = {**_ONLY, "waver": 10}
_PRICING: Mapping[str, int] = {**_ONLY, "price": 10}
_BUSY = _scene(products=1, edits=80, span_s=40.0, habits=_WAVERING)
_ZOMBIES = _scene(
    sort="zombies",
    products=2,
    edits=150,
    span_s=150.0,
    habits=_WAVERING,
    workers=2,
    pauses=25,
    pause_s=(5.0, 9.0),
    latency_s=(0.2, 1.5),
)
_LATE = _scene(products=8, edits=80, span_s=60.0, habits=_WAVERING, late_share=0.4)
_FLICKERING = _scene(products=4, edits=150, span_s=60.0, source_lag_s=4.0, replicas=2, limit=1000)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(rule="done is what was claimed", section="3.1", scene=_BUSY, store=lambda: broken_stores.DoneIsWant.of),
    Mutant(
        rule="a failure leaves newer notices alone",
        section="3.1",
        scene=_scene(products=4, edits=80, span_s=60.0, habits={**_PRICING, "slip": 10}),
        store=lambda: broken_stores.FailureOverrules.of,
    ),
    Mutant(
        rule="a living owner keeps the lane",
        section="3.1",
        scene=_scene(workers=2, edits=10, span_s=20.0, latency_s=(0.5, 2.0)),
        store=lambda: broken_stores.TakesLivingLanes.of,
    ),
    _without("check_lease_before_write", "3.1", _ZOMBIES),
    _without("confirm_after_unknown", "3.1", _LATE),
    Mutant(
        rule="yes only after the commit",
        section="3.1",
        scene=_scene(edits=60, span_s=40.0, kills=8, restart_s=(0.0, 0.5)),
        store=lambda: broken_stores.AcknowledgesEarly.of,
    ),
    Mutant(
        rule="a delivery id is known when its notice is durable",
        section="3.1",
        scene=_scene(edits=80, span_s=60.0, cuts=25, restart_s=(0.0, 0.5)),
        store=lambda: broken_stores.Deduplicates().of,
    ),
    Mutant(rule="the source is read after the claim", section="3.1", scene=_BUSY, source=broken_stores.ReadsEarly.of),
    Mutant(
        rule="creates are noted before the call",
        section="3.2",
        scene=_scene(
            products=6,
            edits=60,
            span_s=20.0,
            late_share=0.4,
            fault_share=0.2,
            habits={"new_product": 20, "rename_sku": 30, "rename": 20, "rename_category": 0, "delete": 0},
        ),
        store=lambda: broken_stores.ForgetsCreates.of,
    ),
    _without("neighbours_go_on", "3.2", _scene(sort="bug", products=6, edits=80, span_s=60.0)),
    _without("transient_is_forever", "3.2", _scene(sort="outage", edits=60, span_s=60.0)),
    _without("loop_brake", "3.3", _scene(sort="rival", products=3, edits=20, span_s=60.0, loop_writes=5)),
    _without("learn_lossy_fields", "3.3", _scene(sort="lossy", lossy=True, products=3, edits=40, span_s=60.0)),
    _without("second_look", "3.4", _scene(edits=60, span_s=60.0, source_lag_s=3.0)),
    _without(
        "trust_own_writes",
        "3.4",
        _scene(products=2, edits=100, span_s=60.0, destination_lag_s=3.0, habits={"new_image": 30, "new_variant": 20}),
    ),
    _without("feed_overlap", "3.5", _scene(polled=True, source_lag_s=4.0, edits=60, span_s=90.0, habits={"delete": 0})),
    _without(
        "believe_deletes_only_with_proof",
        "3.6",
        _scene(products=3, edits=60, span_s=60.0, source_lag_s=4.0, habits={"new_product": 20}),
    ),
    _without("delete_brake", "3.6", _scene(sort="wiped", products=12, edits=20, limit=3, habits={"delete": 0})),
    _without(
        "tombstones",
        "3.6",
        msgspec.structs.replace(
            _FLICKERING, products=10, notice_delay_s=3.0, habits={**_ONLY, "price": 60, "delete": 30, "new_product": 30}
        ),
    ),
    _without("value_brakes", "3.7", _scene(sort="misprice", products=12, edits=20, limit=3, habits={"delete": 0})),
)
