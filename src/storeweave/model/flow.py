"""A flow: one direction of agreement, with its rules. Made from the configuration, never changed while running."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec

from storeweave.model.kinds import ConnectionName, FlowName, Kind, LaneName
from storeweave.model.money import Rounding
from storeweave.model.records import Value


class Deletes(StrEnum):
    """What happens at the destination when the source's record is gone (semantics 3.6)."""

    HIDE = "hide"
    DELETE = "delete"
    IGNORE = "ignore"


class Policy(StrEnum):
    """Who wins when the destination was changed, too (semantics 3.13)."""

    SOURCE = "source"
    DESTINATION = "destination"
    NEWEST = "newest"
    ASK = "ask"
    MERGE = "merge"  # sets only: both sides' additions and removals; otherwise like SOURCE


class PriceRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a price becomes on its way: always computed from the source's price, rounded once."""

    multiply: Decimal = Decimal(1)
    add: Decimal = Decimal(0)
    places: int | None = None  # None: what the destination stores
    rounding: Rounding = Rounding.HALF_UP

    @property
    def changes_nothing(self) -> bool:
        """True for the rule that copies."""
        return self.multiply == 1 and self.add == 0 and self.places is None


class BrakeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When a guard stops and asks (semantics 3.6 and 3.7). A guard trips above both the count and the share."""

    deletes: int = 20
    deletes_share: float = 0.05
    deletes_window_s: float = 24 * 3600
    values: int = 20
    values_share: float = 0.05
    values_window_s: float = 3600
    price_move: float = 0.30  # a price moving by more than this share counts
    shrink: float = 0.5  # a listing below this share of the last complete one proves nothing about deletes
    loop_writes: int = 5
    loop_window_s: float = 600


class FlowSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the engine needs to know about one flow."""

    name: FlowName
    source: ConnectionName
    destination: ConnectionName
    kinds: tuple[Kind, ...] = (Kind.CATEGORY, Kind.BRAND, Kind.PRODUCT)
    deletes: Deletes = Deletes.HIDE
    match: tuple[str, ...] = ("sku", "variant-sku", "name", "path")
    policy: Policy = Policy.SOURCE
    field_policies: Mapping[str, Policy] = {}
    include: frozenset[str] | None = None  # fields and collections; None: all that both sides know
    exclude: frozenset[str] = frozenset()
    constants: Mapping[Kind, Mapping[str, Value]] = {}  # fields set to a fixed value at the destination
    prices: PriceRule = PriceRule()
    availability_from_listing: bool = False
    recreate: bool = True  # a record that somebody deleted at the destination is made again; False: parked
    debounce_s: float = 0.05
    brakes: BrakeLimits = BrakeLimits()

    @property
    def lane(self) -> LaneName:
        """The lane is the destination's connection: one account, one order of writes."""
        return LaneName(self.destination)
