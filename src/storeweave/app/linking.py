"""Links by a person's word: this record here is that record there, or is not any more.

Nothing is written at the destination by the link itself; the key is marked, and the lane brings both into agreement,
the source winning as at any first contact.
"""

from __future__ import annotations

from storeweave.app.hub import Hub
from storeweave.app.views import to_kind
from storeweave.model.errors import RefusedError
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, Key, Kind
from storeweave.model.records import Cause, FlowKey, Notice, Record
from storeweave.model.state import Base, BaseUpdate, HistoryRow, Link, Settlement
from storeweave.ports.permit import Permit


async def link(hub: Hub, flow: FlowSpec, kind_text: str, key_text: str, destination_text: str) -> None:
    """Link two existing records. RefusedError when one does not exist, or belongs to another link."""
    kind, key, there = to_kind(kind_text), Key(key_text), Key(destination_text)
    if kind not in flow.kinds:
        raise RefusedError(f"flow {flow.name} does not keep {kind} records", code="unknown")
    source = await _read(hub, flow.source, kind, key)
    await _read(hub, flow.destination, kind, there)
    owner = (await hub.store.links_back(flow.name, kind, [there])).get(there)
    if owner not in {None, key}:
        raise RefusedError(f"{kind} {there} is linked to {owner} already; unlink that first", code="linked")
    flow_key, now = FlowKey(flow.name, kind, key), hub.clock.now()
    row = Link(
        key=flow_key,
        destination_key=there,
        how="explicit",
        sku=_sku(source),
        title=source.title,
        linked_at=now,
    )
    base = Base(wanted=Record(kind=kind, key=there, fields={}))
    await hub.store.put_bases(
        Settlement(
            bases=[BaseUpdate(key=flow_key, base=base, link=row)], history=[_history(flow_key, there, "link", hub)]
        )
    )
    notice = Notice(connection=flow.source, kind=kind, key=key, cause=Cause.MANUAL, verify=True)
    await hub.journal.accept_for(flow, [notice])


async def unlink(hub: Hub, flow: FlowSpec, kind_text: str, key_text: str) -> None:
    """Forget a link; both records stay as they are. RefusedError when there is none."""
    kind, key = to_kind(kind_text), Key(key_text)
    there = (await hub.store.links(flow.name, kind, [key])).get(key)
    if there is None:
        raise RefusedError(f"{kind} {key} is not linked in flow {flow.name}", code="unknown")
    flow_key = FlowKey(flow.name, kind, key)
    await hub.store.put_bases(Settlement(unlinked=[flow_key], history=[_history(flow_key, there, "unlink", hub)]))


async def _read(hub: Hub, connection: ConnectionName, kind: Kind, key: Key) -> Record:
    record = (await hub.connectors[connection].read(kind, [key], Permit())).get(key)
    if record is None:
        raise RefusedError(f"{connection} has no {kind} {key}", code="unknown")
    return record


def _sku(record: Record) -> str | None:
    sku = record.fields.get("sku")
    return sku if isinstance(sku, str) and sku else None


def _history(key: FlowKey, there: Key, op: str, hub: Hub) -> HistoryRow:
    return HistoryRow(
        key=key,
        destination_key=there,
        op=op,
        lines=(),
        cause=Cause.MANUAL,
        notice=None,
        run=None,
        calls=(),
        at=hub.clock.now(),
    )
