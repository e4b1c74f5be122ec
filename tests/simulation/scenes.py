"""What kinds of worlds there are. A seed draws one; a mutant names the one that shows why a rule is needed.

| Sort     | What happens                                                  | What must hold besides agreement          |
|----------|---------------------------------------------------------------|-------------------------------------------|
| plain    | edits, kills, power cuts at commits, faulty calls             | nothing created twice, nothing left dirty |
| zombies  | two processes that are stopped and go on, longer than a lease | no write starts without the lane          |
| silent   | a third of the notices is lost; two sweeps find the rest      | as plain                                  |
| lagging  | both shops show writes late, some readers later than others   | as plain                                  |
| lossy    | the destination trims, rounds and lowers what it gets         | a sweep afterwards writes nothing         |
| feed     | no webhooks: a feed is polled that shows changes late         | as plain, without a sweep                 |
| outage   | the destination answers 503 for a while                       | nothing is parked                         |
| locked   | one side answers 401 for a while                              | nothing is parked                         |
| poison   | one product is refused by the destination                     | its neighbours agree all the same         |
| bug      | our own code stumbles over one product                        | its neighbours agree all the same         |
| lies     | the source's listing is empty or lacks pages while sweeps run | nothing that lives is hidden              |
| wiped    | many products are deleted at once                             | no more are hidden than the brake allows  |
| misprice | all prices are tenfold after a bad import                     | no more prices move than the brake allows |
| rival    | another program sets a price to and fro                       | we stop joining in                        |

In every world: no living product is hidden, only the lane's owner starts writes, and a full pass over shops that agree
writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import msgspec


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of world. Shares are probabilities, pairs are ranges."""

    sort: str = "plain"
    products: int = 5
    edits: int = 40
    span_s: float = 120.0
    habits: Mapping[str, int] = {}  # what the merchant does more or less often than usual
    fault_share: float = 0.12
    late_share: float = 0.0  # further writes that land late
    lost: float = 0.0  # notices; above 0 only the sweep finds everything
    doubled: float = 0.2
    notice_delay_s: float = 3.0
    source_lag_s: float = 0.0
    destination_lag_s: float = 0.0
    replicas: int = 1  # 2: readers of one shop may see new and old in turns
    lossy: bool = False
    kills: int = 3
    cuts: int = 3  # kills at a commit instead of at a moment
    restart_s: tuple[float, float] = (0.0, 8.0)
    orphaned: float = 0.3  # of the writes under way when a process dies
    workers: int = 1
    pauses: int = 0
    pause_s: tuple[float, float] = (1.0, 15.0)
    latency_s: tuple[float, float] = (0.01, 0.4)
    passes: int = 0  # full passes that somebody asks for in the middle of life
    sweep_at_end: bool = False
    polled: bool = False  # a feed instead of webhooks
    limit: int = 20  # of the brakes
    loop_writes: int = 10_000  # of the brake on values that go to and fro; the merchant may waver


SORTS: Mapping[str, int] = {
    "plain": 6,
    "zombies": 3,
    "silent": 3,
    "lagging": 3,
    "lossy": 2,
    "feed": 2,
    "outage": 1,
    "locked": 1,
    "poison": 2,
    "bug": 2,
    "lies": 1,
    "wiped": 1,
    "misprice": 1,
    "rival": 1,
}
"""How often each sort is drawn."""


def scene_of(rng: Random, sort: str | None = None) -> Scene:
    """Draw a scene, of any sort or of this one."""
    sort = sort or rng.choices(list(SORTS), list(SORTS.values()))[0]
    scene = Scene(
        sort=sort,
        products=rng.randint(2, 7),
        edits=rng.randint(10, 60),
        span_s=rng.choice((20.0, 90.0, 240.0)),
        fault_share=rng.choice((0.0, 0.1, 0.2, 0.3)),
        late_share=rng.choice((0.0, 0.0, 0.1)),
        doubled=rng.choice((0.0, 0.3)),
        notice_delay_s=rng.choice((0.0, 2.0, 15.0)),
        source_lag_s=rng.choice((0.0, 0.0, 3.0)),
        destination_lag_s=rng.choice((0.0, 0.0, 2.0)),
        lossy=rng.random() < 0.2,
        kills=rng.randint(0, 5),
        cuts=rng.randint(0, 5),
        restart_s=rng.choice(((0.0, 0.5), (0.0, 8.0))),
        workers=rng.choice((1, 1, 2)),
    )
    return msgspec.structs.replace(scene, **_peculiarities(sort, rng))


def _peculiarities(sort: str, rng: Random) -> dict[str, object]:
    many: dict[str, object] = {"products": rng.randint(10, 14), "limit": 3, "habits": {"delete": 0}, "span_s": 90.0}
    sorts: dict[str, dict[str, object]] = {
        "zombies": {
            "workers": rng.choice((2, 2, 3)),
            "pauses": rng.randint(1, 4),
            "pause_s": rng.choice(((1.0, 15.0), (10.0, 90.0))),
        },
        "lagging": {"source_lag_s": 3.0, "destination_lag_s": 2.0, "replicas": rng.choice((1, 2))},
        "lossy": {"lossy": True, "sweep_at_end": rng.random() < 0.5},
        "feed": {"polled": True, "source_lag_s": rng.choice((0.0, 4.0)), "habits": {"delete": 0}, "span_s": 90.0},
        "silent": {"lost": 0.3, "sweep_at_end": True, "passes": rng.randint(0, 3)},
        "lies": {"sweep_at_end": True, "span_s": 90.0},
        "wiped": many,
        "misprice": many,
        "rival": {"fault_share": 0.0, "kills": 0, "cuts": 0, "span_s": 90.0, "source_lag_s": 0.0, "loop_writes": 5},
    }
    return sorts.get(sort, {})
