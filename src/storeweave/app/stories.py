"""Why a value is what it is: notice -> rule -> source -> call -> answer, told from our own state.

Everything comes from the journal, the history, the bases and the marks; what retention has removed is said to be gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from storeweave.app.rules_in_words import rule_of, show
from storeweave.app.showing import conflict_shown, history_entry
from storeweave.app.shown import Explanation, FieldStory, NoticeShown, Step
from storeweave.app.views import Views
from storeweave.model.encoding import plain
from storeweave.model.errors import RefusedError
from storeweave.model.flow import FlowSpec
from storeweave.model.records import NEW, Fields, FlowKey, Record, Value
from storeweave.model.state import Base, ConflictRow, HistoryRow, Mark, MarkState

LONGEST_HISTORY = 500
CONFLICTS_LOOKED_AT = 500


async def explain(views: Views, key: FlowKey, field: str | None, *, live: Record | None = None) -> Explanation:
    """The whole record, or (``field``) the way of one value. RefusedError for a field that it hasn't got.

    ``live`` is the source's record as it is now, where somebody has read it for this.
    """
    store, flow = views.store, views.flow(key.flow)
    _, base = (await store.bases(key.flow, key.kind, [key.key])).get(key.key, (None, None))
    history = await store.history(key=key, limit=LONGEST_HISTORY)
    conflicts = [c for c in await store.conflicts(flow=key.flow, limit=CONFLICTS_LOOKED_AT) if c.key == key]
    notices = [NoticeShown.model_validate(row) for row in await store.journal_tail(key=key, limit=20)]
    notices = [notice for notice in notices if notice.connection == flow.source]
    values = dict(_values(base)) if base else {}
    for line in (line for row in history for line in row.lines):
        if not _is_whole_part(line.path):
            values.setdefault(line.path, line.new if line.has else None)
    mark = await views.mark(key)
    if field is None:
        fields = [_short(flow, key, path, value, base) for path, value in values.items()]
    else:
        path = _path(field, values, base)
        fields = [await _story(views, flow, key, path, values[path], base, history, conflicts, mark, live)]
        wholes = _wholes(path, base)
        history = [row for row in history if any(line.path == path or line.path in wholes for line in row.lines)]
        conflicts = [c for c in conflicts if c.path == path]
    return Explanation(
        item=await views.row(key),
        source=flow.source,
        destination=flow.destination,
        fields=fields,
        notices=notices,
        changes=[history_entry(row) for row in history[:50]],
        conflicts=[conflict_shown(c) for c in conflicts[:50]],
    )


def _values(base: Base) -> Iterator[tuple[str, Value]]:
    """Every path of a record with what the destination should hold."""
    yield from base.wanted.fields.items()
    for collection, parts in base.wanted.parts.items():
        for part, fields in parts.items():
            for name, value in fields.items():
                yield f"{collection}/{part}/{name}", value


def _theirs(path: str, value: Value, base: Base | None) -> Value:
    return base.lossy.get(path, value) if base else value


def _short(flow: FlowSpec, key: FlowKey, path: str, value: Value, base: Base | None) -> FieldStory:
    theirs = _theirs(path, value, base)
    return FieldStory(path=path, value=plain(value), theirs=plain(theirs), rule=rule_of(flow, key.kind, path))


def _path(field: str, values: Mapping[str, Value], base: Base | None) -> str:
    """The path that a person means: ``price``, ``variants/12/price``, or with a variant's SKU for its key."""
    text = field.strip().replace(".", "/")
    if text in values:
        return text
    collection, _, rest = text.partition("/")
    named, _, name = rest.rpartition("/")
    if base is not None and named:
        for part, fields in base.wanted.parts.get(collection, {}).items():
            known = {part, *_labels(fields), *(s for s, d in base.links.get(collection, {}).items() if d == part)}
            if named in {label.replace(".", "/") for label in known} and f"{collection}/{part}/{name}" in values:
                return f"{collection}/{part}/{name}"
    known_paths = ", ".join(list(values)[:12]) or "none"
    raise RefusedError(f"nothing is known of field {field!r}; known are: {known_paths}, ...", code="unknown")


def _labels(fields: Fields) -> Iterator[str]:
    for name in ("sku", "label", "name"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            yield value


def _is_whole_part(path: str) -> bool:
    return path.count("/") == 1


def _wholes(path: str, base: Base | None) -> frozenset[str]:
    """Paths under which the part that a field lies in was made or removed: by its key, or by the source's when new."""
    collection, _, rest = path.partition("/")
    key, _, name = rest.rpartition("/")
    if not name or not key:
        return frozenset()
    links = base.links.get(collection, {}) if base else {}
    return frozenset(
        {f"{collection}/{key}", *(f"{collection}/{NEW}{here}" for here, there in links.items() if there == key)}
    )


async def _story(
    views: Views,
    flow: FlowSpec,
    key: FlowKey,
    path: str,
    value: Value,
    base: Base | None,
    history: Sequence[HistoryRow],
    conflicts: Sequence[ConflictRow],
    mark: Mark | None,
    live: Record | None,
) -> FieldStory:
    wholes = _wholes(path, base)
    row = next((r for r in history if any(line.path == path or line.path in wholes for line in r.lines)), None)
    theirs, rule = _theirs(path, value, base), rule_of(flow, key.kind, path)
    steps = [await _notice_step(views, row), Step(step="rule", text=rule)]
    steps.append(Step(step="source", text=f"{flow.source} says, by that rule: {show(value)}"))
    if live is not None and path in live.fields:
        steps.append(Step(step="source", text=f"{flow.source} itself holds {show(live.fields[path])} now"))
    steps += _call_steps(flow, path, value, theirs, row, wholes)
    steps += [Step(step="now", text=text) for text in _now(path, base, conflicts, mark)]
    return FieldStory(path=path, value=plain(value), theirs=plain(theirs), rule=rule, steps=steps)


async def _notice_step(views: Views, row: HistoryRow | None) -> Step:
    if row is None:
        return Step(
            step="notice", text="no change of this field is on record: it was equal when the records were linked"
        )
    if row.notice is None:
        return Step(step="notice", text=f"{row.cause}, without a notice", at=row.at)
    found = await views.store.journal_tail(number=row.notice, limit=1)
    if not found:
        text = f"{row.cause}: notice {row.notice}, which is not kept any more"
        return Step(step="notice", text=text)
    notice: Mapping[str, Any] = found[0]
    topic = f" {notice['topic']}" if notice["topic"] else ""
    text = f"{notice['cause']}{topic}: notice {row.notice} from {notice['connection']}"
    return Step(step="notice", text=text, at=notice["received_at"])


def _call_steps(
    flow: FlowSpec, path: str, value: Value, theirs: Value, row: HistoryRow | None, wholes: frozenset[str]
) -> Iterator[Step]:
    if row is not None:
        line = next(line for line in row.lines if line.path == path or line.path in wholes)
        what = (
            "the whole part" if line.path != path else f"{show(line.old) if line.had else 'absent'} -> {show(line.new)}"
        )
        calls = "; ".join(row.calls) or "the call is not on record"
        yield Step(step="call", text=f"{row.op}: {what} by {calls}", at=row.at)
    if theirs != value:
        yield Step(step="answer", text=f"{flow.destination} made {show(theirs)} of it; that is taken as agreement")
    else:
        late = f", {row.lag_ms / 1000:.2f} s after the notice" if row is not None and row.lag_ms is not None else ""
        yield Step(step="answer", text=f"{flow.destination} holds {show(theirs)}{late}")


def _now(path: str, base: Base | None, conflicts: Sequence[ConflictRow], mark: Mark | None) -> Iterator[str]:
    if base is not None and path in base.held:
        yield f"a person took a change back: {show(base.held[path])} is not written while the source still says so"
    for conflict in conflicts[:1]:
        if conflict.path == path:
            yield (
                f"both sides changed it on {conflict.at:%Y-%m-%d %H:%M}: source {show(conflict.source)}, "
                f"destination {show(conflict.destination)}; chosen: {conflict.choice}"
            )
    if mark is not None and mark.state is MarkState.PARKED:
        yield f"the record is parked: {mark.reason}"
    elif mark is not None and mark.state is MarkState.HELD:
        yield f"the record is held by brake {mark.brake}: {mark.reason}"
    elif mark is not None:
        why = f"; last try: {mark.reason}" if mark.reason else ""
        yield f"the record is looked at again at {mark.due_at:%Y-%m-%d %H:%M:%S} UTC ({mark.cause}){why}"
