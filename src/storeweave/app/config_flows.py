"""Flows of the configuration: what must fit together, and their translation into the engine's ``FlowSpec``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Set
from decimal import Decimal, InvalidOperation
from itertools import combinations
from typing import Any, Final

import msgspec

from storeweave.app.config_faults import Fault, nearest
from storeweave.app.config_model import BrakesTable, ConfigFile, FlowTable, HubTable
from storeweave.model.errors import RefusedError
from storeweave.model.flow import BrakeLimits, FlowSpec, PriceRule
from storeweave.model.kinds import SCHEMAS, ConnectionName, FieldSchema, FieldType, FlowName, Kind
from storeweave.model.money import canonical
from storeweave.model.records import Value

NEVER: Final = 2**31
_TEXTUAL: Final = frozenset({FieldType.TEXT, FieldType.HTML, FieldType.TIME, FieldType.DATA})
_NUMBERS: Final = frozenset({FieldType.DECIMAL, FieldType.MONEY})


def flow_faults(file: ConfigFile, names: Set[str], channels: Mapping[ConnectionName, bool]) -> list[Fault]:
    """What is wrong between flows and connections.

    ``names``: all connections that the file has, right or wrong; ``channels``: of the right ones, have they a channel.
    """
    return [*_each(file, names, channels), *_pairs(file)]


def _each(file: ConfigFile, connections: Set[str], channels: Mapping[ConnectionName, bool]) -> Iterator[Fault]:
    for name, flow in file.flows.items():
        path = f"flows.{name}"
        for end in ("source", "destination"):
            wanted = getattr(flow, end)
            if wanted not in connections:
                names = ", ".join(sorted(connections)) or "none yet"
                yield Fault(f"{path}.{end}", f"there is no connection {wanted!r}{nearest(wanted, connections)}",
                            f"write one of [connections]: {names}")  # fmt: skip
        if flow.source == flow.destination:
            yield Fault(f"{path}.destination", "source and destination are the same connection", "name two")
        there = file.connections.get(flow.destination)
        if there is not None and there.read_only and not flow.shadow:
            yield Fault(f"{path}.destination", f"connection {flow.destination!r} is read-only",
                        "choose another destination, or set shadow = true")  # fmt: skip
        if flow.availability_from_listing and channels.get(ConnectionName(flow.source)) is False:
            yield Fault(f"{path}.availability_from_listing", f"connection {flow.source!r} has no channel_id",
                        f"set connections.{flow.source}.channel_id, or remove this key")  # fmt: skip
        yield from _field_names(path, flow)
        yield from _constants(path, flow)


def _pairs(file: ConfigFile) -> Iterator[Fault]:
    for (one, first), (other, second) in combinations(file.flows.items(), 2):
        both = sorted(set(first.kinds) & set(second.kinds))
        if both and (first.source, first.destination) == (second.source, second.destination):
            kinds = ", ".join(both)
            yield Fault(f"flows.{other}", f"flow {one!r} keeps {kinds} of the same connections in agreement",
                        "remove one of the two, or give them different kinds")  # fmt: skip


def field_names(kinds: tuple[Kind, ...]) -> set[str]:
    """Names that ``include``, ``exclude`` and ``conflicts.fields`` may use: fields, collections, fields of parts."""
    names = set[str]()
    for kind in kinds:
        schema = SCHEMAS[kind]
        names |= set(schema.fields) | set(schema.parts)
        names |= {f"{part}.{field}" for part, inner in schema.parts.items() for field in inner.fields}
    return names


def _field_names(path: str, flow: FlowTable) -> Iterator[Fault]:
    known = field_names(flow.kinds)
    used = {"include": flow.include or (), "exclude": flow.exclude, "conflicts.fields": tuple(flow.conflicts.fields)}
    for key, names in used.items():
        for name in names:
            if name not in known:
                yield Fault(f"{path}.{key}", f"there is no field {name!r}{nearest(name, known)}",
                            "write a field of the flow's kinds")  # fmt: skip


def _constants(path: str, flow: FlowTable) -> Iterator[Fault]:
    for kind, values in flow.set.items():
        if kind not in flow.kinds:
            yield Fault(f"{path}.set.{kind}", f"the flow does not keep {kind} records", "add the kind, or remove this")
        schema = SCHEMAS[kind].fields
        for name, value in values.items():
            where = f"{path}.set.{kind}.{name}"
            if name not in schema:
                yield Fault(where, f"{kind} records have no such field{nearest(name, schema)}", "write one they have")
                continue
            try:
                constant(value, schema[name])
            except ValueError as error:
                yield Fault(where, "this value does not fit the field", str(error))


def constant(value: Any, schema: FieldSchema) -> Value:
    """A TOML value as a value of the field. Raises ValueError with the remedy."""
    kind = schema.type
    if kind in _TEXTUAL and isinstance(value, str):
        return value
    if kind is FieldType.FLAG and isinstance(value, bool):
        return value
    if kind is FieldType.COUNT and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind in _NUMBERS and isinstance(value, int | Decimal | str) and not isinstance(value, bool):
        try:
            return canonical(Decimal(value))
        except (InvalidOperation, RefusedError):
            raise ValueError("write a number") from None
    if kind is FieldType.TEXTS and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return frozenset(value)
    raise ValueError(_WANTED.get(kind, "fields of this sort cannot have a fixed value; remove it"))


_WANTED: Final = {
    **dict.fromkeys(_TEXTUAL, "write a text in quotes"),
    **dict.fromkeys(_NUMBERS, "write a number"),
    FieldType.FLAG: "write true or false",
    FieldType.COUNT: "write a whole number",
    FieldType.TEXTS: 'write a list of texts, such as ["a", "b"]',
}


def flow_spec(name: str, flow: FlowTable, hub: HubTable, *, has_channel: bool) -> FlowSpec:
    """The engine's view of a flow that has no faults."""
    debounce_ms = hub.debounce_ms if flow.debounce_ms is None else flow.debounce_ms
    return FlowSpec(
        name=FlowName(name),
        source=ConnectionName(flow.source),
        destination=ConnectionName(flow.destination),
        kinds=tuple(kind for kind in Kind if kind in flow.kinds),
        deletes=flow.deletes,
        match=flow.match,
        policy=flow.conflicts.default,
        field_policies=dict(flow.conflicts.fields),
        include=None if flow.include is None else frozenset(flow.include),
        exclude=frozenset(flow.exclude) | (frozenset() if flow.images else {"images"}),
        constants={
            kind: {field: constant(value, SCHEMAS[kind].fields[field]) for field, value in values.items()}
            for kind, values in flow.set.items()
        },
        prices=PriceRule(
            multiply=flow.prices.multiply,
            add=flow.prices.add,
            places=flow.prices.places,
            rounding=flow.prices.rounding,
        ),
        availability_from_listing=has_channel
        if flow.availability_from_listing is None
        else flow.availability_from_listing,
        recreate=flow.destination_deleted == "recreate",
        debounce_s=debounce_ms / 1000,
        brakes=_limits(flow.brakes),
    )


def _limits(brakes: BrakesTable) -> BrakeLimits:
    return BrakeLimits(
        deletes=NEVER if brakes.max_deletes == "off" else brakes.max_deletes,
        deletes_share=brakes.max_deletes_percent / 100,
        deletes_window_s=brakes.deletes_window_hours * 3600,
        values=NEVER if brakes.max_value_changes == "off" else brakes.max_value_changes,
        values_share=brakes.max_value_changes_percent / 100,
        values_window_s=brakes.values_window_hours * 3600,
        price_move=brakes.price_move_percent / 100,
        shrink=brakes.listing_shrink_percent / 100,
        loop_writes=brakes.loop_writes,
        loop_window_s=brakes.loop_window_min * 60,
    )


def flow_digest(flow: FlowSpec) -> str:
    """Changes when the flow's rules change: parked keys then get another chance, and `apply` has something to do."""
    return hashlib.blake2b(msgspec.json.encode(_ordered(msgspec.to_builtins(flow))), digest_size=16).hexdigest()


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _ordered(v) for k, v in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, list | tuple | set | frozenset):
        items = [_ordered(v) for v in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    return value
