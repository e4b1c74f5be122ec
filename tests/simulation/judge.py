"""The oracle: what the shops themselves know, and who owned the lane when. It never asks our own database."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from storeweave.connectors.memory.content import Lossy
from storeweave.connectors.memory.log import MERCHANT, Sending
from storeweave.connectors.memory.shop import MemoryShop
from storeweave.connectors.memory.truth import compare
from storeweave.model.kinds import Key, Kind


class Ownership:
    """Who may write when: filled by the store that the processes see, read by the judge."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, str, float]] = []  # from, who, until

    def owns(self, who: str, at: float, lease_s: float) -> None:
        """``who`` has the lane from now on for ``lease_s``."""
        self._spans.append((at, who, at + lease_s))

    def ends(self, at: float) -> None:
        """Nobody has it."""
        self._spans.append((at, "", at))

    def intruders(self, sendings: Sequence[Sending]) -> list[str]:
        """Writes that were started by somebody who did not own the lane."""
        found = []
        for sending in sendings:
            latest = [span for span in self._spans if span[0] <= sending.started_at]
            _, who, until = latest[-1] if latest else (0.0, "", 0.0)
            if who != sending.by or until < sending.started_at:
                found.append(f"{sending.by} wrote {sending.kind} at {sending.started_at:.3f} without owning the lane")
        return found


def differences(a: MemoryShop, b: MemoryShop, *, lossy: bool, excused: Collection[str] = ()) -> list[str]:
    """What the destination would have to change; products called as ``excused`` do not count."""
    truth = a.truth(lossy=Lossy() if lossy else None)
    found = compare(truth, b.truth(), hidden_is_gone=True)
    names = {*excused, *(name.strip() for name in excused)}
    return [line for line in found if line.removeprefix("product ").split(":")[0].split(" / ")[0] not in names]


def created_twice(b: MemoryShop) -> list[str]:
    """Identities under which somebody other than the shop's own people made more than one record."""
    created: dict[tuple[str, str], int] = {}
    for effect in b.log.effects:
        if effect.verb == "create" and effect.by != MERCHANT:
            name = (str(effect.kind), effect.identity)
            created[name] = created.get(name, 0) + 1
    return [f"{kind} {name} was created {n} times" for (kind, name), n in created.items() if n > 1]


def hidden_products(b: MemoryShop) -> list[Key]:
    """Products that shoppers cannot see."""
    return [k for k, r in b.records[Kind.PRODUCT].items() if r.fields.get("is_visible") is False]


def wrongly_hidden(a: MemoryShop, b: MemoryShop) -> list[str]:
    """Products that live and were hidden at some time, even if they are back now."""
    alive = {str(r.fields.get("sku") or r.fields["name"]) for r in a.records[Kind.PRODUCT].values()}
    touched = {
        e.key
        for e in b.log.effects
        if e.kind is Kind.PRODUCT and e.by != MERCHANT and (e.verb == "delete" or e.detail == ("is_visible",))
    }
    found = []
    for key in sorted(touched):
        record = b.records[Kind.PRODUCT].get(key)
        name = str(record.fields.get("sku") or record.fields["name"]) if record is not None else ""
        if name in alive:
            found.append(f"product {name} lives and was hidden")
    return found
