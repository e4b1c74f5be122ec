"""What the engine works with: the store, the connectors, time, chance, the rules. Given from outside, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from storeweave.engine.safety import ALL_RULES, SafetyRules
from storeweave.model.kinds import ConnectionName
from storeweave.ports.clock import Clock
from storeweave.ports.connector import Connector
from storeweave.ports.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Arguments of everything in the engine."""

    store: Store
    connectors: Mapping[ConnectionName, Connector]
    clock: Clock
    rng: Random
    safety: SafetyRules = ALL_RULES
    currencies: Mapping[ConnectionName, str | None] = field(default_factory=dict)
