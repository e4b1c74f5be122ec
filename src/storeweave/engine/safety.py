"""The safety rules, each with a switch that only tests turn: a rule whose removal no test notices proves nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyRules:
    """All on, always. Numbers are sections of the semantics."""

    confirm_after_unknown: bool = True  # 3.1: look again when an unanswered write can no longer land
    confirm_after_takeover: bool = True  # 3.1: the owner before us may still be writing
    check_lease_before_write: bool = True  # 3.1
    look_before_repeating: bool = True  # 3.2: an unknown outcome is looked at, not taken as a failure
    second_look: bool = True  # 3.4: a notice may come before the read shows it
    trust_own_writes: bool = True  # 3.4: a read right after our own write may show the state before it
    feed_overlap: bool = True  # 3.5
    two_listings: bool = True  # 3.6: absence counts when two complete listings, some time apart, agree on it
    whole_listings: bool = True  # 3.6: a listing that broke off or shrank says nothing about deletes
    believe_deletes_only_with_proof: bool = True  # 3.6
    delete_brake: bool = True  # 3.6
    tombstones: bool = True  # 3.6
    value_brakes: bool = True  # 3.7
    loop_brake: bool = True  # 3.3
    learn_lossy_fields: bool = True  # 3.3
    neighbours_go_on: bool = True  # 3.2: one bad key never spoils its batch
    transient_is_forever: bool = True  # 3.2: what may heal is never given up


ALL_RULES = SafetyRules()
