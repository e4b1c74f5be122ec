"""How long a key waits before the next try: full jitter, exponential, capped (semantics 3.2)."""

from __future__ import annotations

from random import Random

BASE_S = 1.0
CAP_S = 15 * 60.0
BUG_TRIES = 5


def backoff_s(attempts: int, rng: Random, *, base_s: float = BASE_S, cap_s: float = CAP_S) -> float:
    """Seconds before try ``attempts + 1``; a random share of ``base * 2**attempts``, at least a tenth of a second."""
    return max(0.1, rng.uniform(0.0, min(cap_s, base_s * 2.0 ** min(attempts, 30))))
