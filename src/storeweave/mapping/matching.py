"""Which record of the destination a record of the source is, when nothing is linked yet.

By the flow's match rules in their order: SKU first, then the SKUs of variants, then names. Two candidates, or a
candidate that belongs to another record already, are never guessed at: they are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from storeweave.model.kinds import Key
from storeweave.model.records import Record

_HAS_SKU = ("sku:", "variant-sku:")


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Linked by ``how`` to ``key``; or a ``problem`` with its ``code``; or none of both: it isn't there."""

    key: Key | None = None
    how: str = ""
    code: str = ""
    problem: str = ""


def identities(matches: Sequence[str], rules: Sequence[str]) -> list[str]:
    """The natural identities of a record (``Record.matches``) that the rules may use, in the rules' order.

    A name identifies a product only if it has no SKU: with one, another SKU under the same name is another product.
    Blanks at the ends are tried with and without, because many stores drop them.
    """
    has_sku = any(m.startswith(_HAS_SKU) for m in matches)
    return [
        form
        for rule in rules
        for identity in matches
        if identity.startswith(rule + ":") and not (rule == "name" and has_sku)
        for form in dict.fromkeys((identity, f"{rule}:{identity.removeprefix(rule + ':').strip()}"))
    ]


def match(
    record: Record,
    rules: Sequence[str],
    found: Mapping[str, Sequence[Record]],
    owners: Mapping[Key, Key],
    earlier: Sequence[str] = (),
) -> Match:
    """Decide. ``found`` are the destination's records by identity, ``owners`` who is linked to them (source keys).

    ``earlier`` are identities under which we may have made the record ourselves, without an answer.
    """
    for identity in [*identities(record.matches, rules), *identities(earlier, rules)]:
        how, _, value = identity.partition(":")
        candidates = {c.key: c for c in found.get(identity, ())}
        if how == "name":
            candidates = {k: c for k, c in candidates.items() if not any(m.startswith(_HAS_SKU) for m in c.matches)}
        if not candidates:
            continue
        free = [k for k in candidates if owners.get(k) in (None, record.key)]
        if len(candidates) > 1:
            keys = ", ".join(sorted(candidates))
            return Match(
                code="ambiguous",
                problem=f"{how} {value!r} stands at {len(candidates)} records of the destination ({keys}): "
                "link the right one with `storeweave link`",
            )
        if not free:
            (there,) = candidates
            return Match(
                code="duplicate-sku",
                problem=f"{how} {value!r} is also that of source record {owners[there]}, which is linked to "
                f"{there}: give one of them another SKU",
            )
        return Match(key=free[0], how=how)
    return Match()
