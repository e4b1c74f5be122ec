"""One key on its way through a batch, and the small things that are said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storeweave.ledger.merge import Merge
from storeweave.mapping.wanted import Wanted
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Cause, Event, FieldChange, FlowKey, Priority, Record
from storeweave.model.state import Base, HistoryRow, Link, Mark, MarkState
from storeweave.ports.connector import Connector
from storeweave.ports.permit import Permit

_NOTHING_WANTED = Wanted(record=Record(kind=Kind.PRODUCT, key=Key(""), fields={}))
_NO_MERGE = Merge(fields={}, parts={}, lines=(), conflicts=(), pairs={}, open={})


@dataclass(slots=True)
class Item:
    """One key on its way through a batch."""

    mark: Mark
    source: Record
    link: Link | None = None
    base: Base | None = None
    theirs: Record | None = None
    links: dict[str, dict[str, str]] = field(default_factory=dict)
    wanted: Wanted = _NOTHING_WANTED
    merge: Merge = _NO_MERGE
    was_there: Key | None = None  # it was linked to this key, and that is gone

    @property
    def key(self) -> FlowKey:
        """What the mark names."""
        return self.mark.key

    @property
    def there(self) -> Key | None:
        """The destination's key, once linked."""
        return self.link.destination_key if self.link else None


def history_row(
    item: Item, op: str, lines: tuple[FieldChange, ...], calls: tuple[str, ...], now: datetime
) -> HistoryRow:
    """The line of history of one applied change."""
    return HistoryRow(
        key=item.key,
        destination_key=item.there,
        op=op,
        lines=lines,
        cause=item.mark.cause,
        notice=item.mark.want or None,
        run=item.mark.run,
        calls=calls,
        at=now,
        lag_ms=int((now - item.mark.first_at).total_seconds() * 1000),
    )


async def read_all(connector: Connector, kind: Kind, keys: Sequence[Key], permit: Permit) -> dict[Key, Record | None]:
    """Read any number of keys in calls of the size that the connector takes."""
    size = connector.abilities.kinds[kind].read_batch
    found: dict[Key, Record | None] = {}
    for start in range(0, len(keys), size):
        found.update(await connector.read(kind, keys[start : start + size], permit))
    return found


def event_of(mark: Mark) -> Event:
    """What the notices behind a mark say, for the next look at it."""
    return Event.DELETED if mark.deleted else Event.CHANGED


def link_to(item: Item, there: Key, how: str, now: datetime) -> Link:
    sku = item.source.fields.get("sku")
    return Link(
        key=item.key,
        destination_key=there,
        how=how,
        sku=sku if isinstance(sku, str) and sku else None,
        title=item.source.title,
        linked_at=now,
    )


def created_link(item: Item, there: Key, now: datetime) -> Link:
    """The crosswalk row of a record that we made."""
    return link_to(item, there, "created", now)


def newest_of(item: Item) -> str:
    ours, theirs = item.source.modified_at, item.theirs.modified_at if item.theirs else None
    if ours is None or theirs is None:
        return ""
    return "source" if ours >= theirs else "destination"


def asked_for(key: FlowKey, flow: FlowSpec, now: datetime) -> Mark:
    """A mark that stands in no table: something else needs this key now."""
    return Mark(
        key=key,
        lane=flow.lane,
        want=0,
        state=MarkState.DIRTY,
        due_at=now,
        first_at=now,
        noticed_at=now,
        happened_at=None,
        attempts=0,
        priority=Priority.NORMAL,
        cause=Cause.REFERENCE,
        deleted=False,
        verify=False,
    )
