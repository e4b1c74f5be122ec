"""Going on with a pass that broke off: which one it was, and what of it is left. Its row says it all."""

from __future__ import annotations

from collections.abc import Sequence

from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import Kind
from storeweave.model.state import RunRow
from storeweave.ports.store import OperationStore

_LOOKED_AT = 50


async def broken_off(store: OperationStore, flow: FlowSpec, what: str, note: str) -> RunRow | None:
    """The flow's newest run of this sort, if it has this note and did not come to its end."""
    runs = await store.runs(flow=flow.name, limit=_LOOKED_AT)
    last = next((run for run in runs if run.what == what), None)
    return last if last is not None and last.note == note and last.state != "done" else None


def rest_of(run: RunRow | None, kinds: Sequence[Kind]) -> tuple[Sequence[Kind], str | None]:
    """The kinds that are still to be listed, and where in the first of them to go on; None: from its start.

    A cursor is stored when everything before it is marked (``engine.sweep``).
    """
    at, _, cursor = (run.cursor or "").partition(":") if run is not None else ("", "", "")
    if at not in kinds:
        return kinds, None
    return kinds[list(kinds).index(Kind(at)) :], cursor or None
