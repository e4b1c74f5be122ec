"""Values of the model as columns, and back. The only place that knows how we store them.

Instants are integers: microseconds since the epoch, UTC, exact on both databases. Digests are hexadecimal text. The
wide things (a base, the lines of a history row) are MessagePack, lightly compressed: they are written once and seldom
read. A stored record keeps its content, not the digest or the time it was read with.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from storeweave.model import encoding
from storeweave.model.kinds import ConnectionName, FlowName, Key, Kind, LaneName
from storeweave.model.records import RANK, Cause, FlowKey, Priority, Value
from storeweave.model.state import (
    Base,
    ConflictRow,
    ConnectionRow,
    HistoryRow,
    Link,
    Mark,
    MarkState,
    RunRow,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KIND_RANK: Mapping[Kind, int] = {kind: rank for rank, kind in enumerate(Kind)}
PRIORITIES: tuple[Priority, ...] = tuple(sorted(RANK, key=RANK.__getitem__))
_CAUSES: Mapping[str, Cause] = {cause.value: cause for cause in Cause}
_KINDS: Mapping[str, Kind] = {kind.value: kind for kind in Kind}
_JSON = msgspec.json.Encoder(order="deterministic")
_COUNTS = msgspec.json.Decoder(dict[str, int])
_TEXTS = msgspec.json.Decoder(tuple[str, ...])
_KEYS = msgspec.json.Decoder(list[FlowKey])

LEVEL = 1
"""Compression: most of the gain at a tenth of the time of the default."""

MARK_COLUMNS = """flow, kind, key, lane, want, state, due_at, first_at, noticed_at, happened_at, attempts,
    priority_rank, cause, deleted, verify, run, allowed_brake, brake, reason, reason_code, content"""
LINK_COLUMNS = "flow, kind, key, destination_key, how, sku, title, linked_at"
HISTORY_COLUMNS = "id, flow, kind, key, destination_key, op, detail, cause, notice, run, at, lag_ms"
CONFLICT_COLUMNS = "id, flow, kind, key, path, base, source, destination, choice, actor, at"
RUN_COLUMNS = "id, flow, what, state, started_at, ended_at, cursor, counts, note"


def to_us(at: datetime) -> int:
    """An aware instant as microseconds since the epoch."""
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def to_us_or_none(at: datetime | None) -> int | None:
    """The same, where there may be no instant."""
    return None if at is None else to_us(at)


def from_us(us: int) -> datetime:
    """The reverse of ``to_us``."""
    return EPOCH + timedelta(microseconds=us)


def from_us_or_none(us: int | None) -> datetime | None:
    """The same, where there may be no instant."""
    return None if us is None else from_us(us)


def clean(text: str) -> str:
    """Text for people without what a database refuses: NUL, and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def clean_or_none(text: str | None) -> str | None:
    """The same, where there may be no text."""
    return None if text is None else clean(text)


def to_key(flow: str, kind: str, key: str) -> FlowKey:
    """A key of a flow from its three columns."""
    return FlowKey(FlowName(flow), _KINDS[kind], Key(key))


def key_columns(key: FlowKey) -> tuple[str, str, str]:
    """The three columns of a key of a flow."""
    return key.flow, key.kind.value, key.key


def key_rows(keys: Sequence[FlowKey]) -> list[tuple[str, str, str]]:
    """Distinct keys in key order: the order in which rows are locked everywhere."""
    return sorted({key_columns(key) for key in keys})


def hex_or_none(digest: bytes | None) -> str | None:
    """A digest as text."""
    return None if digest is None else digest.hex()


def to_mark(row: Sequence[Any]) -> Mark:
    """A mark from ``MARK_COLUMNS``."""
    return Mark(
        key=to_key(row[0], row[1], row[2]),
        lane=LaneName(row[3]),
        want=row[4],
        state=MarkState(row[5]),
        due_at=from_us(row[6]),
        first_at=from_us(row[7]),
        noticed_at=from_us(row[8]),
        happened_at=from_us_or_none(row[9]),
        attempts=row[10],
        priority=PRIORITIES[row[11]],
        cause=_CAUSES[row[12]],
        deleted=bool(row[13]),
        verify=bool(row[14]),
        run=row[15],
        allowed_brake=row[16],
        brake=row[17],
        reason=row[18],
        reason_code=row[19],
        content=None if row[20] is None else bytes.fromhex(row[20]),
    )


def to_link(row: Sequence[Any]) -> Link:
    """A row of the crosswalk from ``LINK_COLUMNS``."""
    return Link(
        key=to_key(row[0], row[1], row[2]),
        destination_key=Key(row[3]),
        how=row[4],
        sku=row[5],
        title=row[6],
        linked_at=from_us(row[7]),
    )


def base_body(base: Base) -> bytes:
    """The wide part of a base."""
    data = [
        encoding.to_data(base.wanted),
        {path: encoding.plain(value) for path, value in base.lossy.items()},
        base.links,
        {path: encoding.plain(value) for path, value in base.held.items()},
        {path: encoding.plain(value) for path, value in base.doubts.items()},
    ]
    return zlib.compress(encoding.pack(data), LEVEL)


def to_base(kind: Kind, body: bytes, source_digest: str, destination_digest: str, written_at: int | None) -> Base:
    """A base from its columns."""
    wanted, lossy, links, held, doubts = encoding.unpack(zlib.decompress(body))
    return Base(
        wanted=encoding.from_data(wanted),
        lossy={path: _typed(kind, path, value) for path, value in lossy.items()},
        links=links,
        held={path: _typed(kind, path, value) for path, value in held.items()},
        doubts={path: _typed(kind, path, value) for path, value in doubts.items()},
        source_digest=bytes.fromhex(source_digest),
        destination_digest=bytes.fromhex(destination_digest),
        written_at=from_us_or_none(written_at),
    )


def _typed(kind: Kind, path: str, value: Any) -> Value:
    return encoding.unplain(value, encoding.field_schema(kind, path))


def history_columns(row: HistoryRow) -> tuple[Any, ...]:
    """A line of history as ``HISTORY_COLUMNS`` without the id."""
    detail = encoding.pack([encoding.lines_to_data(row.lines), list(row.calls)])
    return (
        *key_columns(row.key),
        row.destination_key,
        row.op,
        zlib.compress(detail, LEVEL),
        row.cause.value,
        row.notice,
        row.run,
        to_us(row.at),
        row.lag_ms,
    )


def to_history(row: Sequence[Any]) -> HistoryRow:
    """A line of history from ``HISTORY_COLUMNS``."""
    key = to_key(row[1], row[2], row[3])
    lines, calls = encoding.unpack(zlib.decompress(row[6]))
    return HistoryRow(
        id=row[0],
        key=key,
        destination_key=row[4],
        op=row[5],
        lines=encoding.lines_from_data(key.kind, lines),
        cause=_CAUSES[row[7]],
        notice=row[8],
        run=row[9],
        calls=tuple(calls),
        at=from_us(row[10]),
        lag_ms=row[11],
    )


def conflict_columns(row: ConflictRow) -> tuple[Any, ...]:
    """A conflict as ``CONFLICT_COLUMNS`` without the id."""
    values = (json_text(encoding.plain(value)) for value in (row.base, row.source, row.destination))
    return (*key_columns(row.key), row.path, *values, row.choice, clean(row.actor), to_us(row.at))


def to_conflict(row: Sequence[Any]) -> ConflictRow:
    """A conflict from ``CONFLICT_COLUMNS``."""
    key = to_key(row[1], row[2], row[3])
    base, source, destination = (_typed(key.kind, row[4], msgspec.json.decode(text)) for text in row[5:8])
    return ConflictRow(
        id=row[0],
        key=key,
        path=row[4],
        base=base,
        source=source,
        destination=destination,
        choice=row[8],
        actor=row[9],
        at=from_us(row[10]),
    )


def to_run(row: Sequence[Any]) -> RunRow:
    """A run from ``RUN_COLUMNS``."""
    return RunRow(
        id=row[0],
        flow=row[1],
        what=row[2],
        state=row[3],
        started_at=from_us(row[4]),
        ended_at=from_us_or_none(row[5]),
        cursor=row[6],
        counts=to_counts(row[7]),
        note=row[8],
    )


def to_connection(row: Sequence[Any]) -> ConnectionRow:
    """A connection from its columns in the order of the value."""
    return ConnectionRow(
        name=ConnectionName(row[0]),
        fingerprint=row[1],
        account=row[2],
        state=row[3],
        reason=row[4],
        changed_at=from_us(row[5]),
    )


def json_text(data: Any) -> str:
    """Small data as text."""
    return _JSON.encode(data).decode()


def to_counts(text: str) -> dict[str, int]:
    """The counts of a run."""
    return _COUNTS.decode(text)


def to_texts(text: str) -> tuple[str, ...]:
    """Texts from ``json_text``."""
    return _TEXTS.decode(text)


def to_keys(text: str) -> list[FlowKey]:
    """Keys from ``json_text``."""
    return _KEYS.decode(text)
