"""A flow's rules in words, for ``explain``: what happens to one field on its way."""

from __future__ import annotations

from typing import Final

from storeweave.model.encoding import field_schema, plain
from storeweave.model.flow import FlowSpec, Policy
from storeweave.model.kinds import FieldType, Kind
from storeweave.model.records import Value

_WINNERS: Final = {
    Policy.SOURCE: "the source wins",
    Policy.DESTINATION: "the destination wins",
    Policy.NEWEST: "the newer change wins",
    Policy.ASK: "a person decides",
    Policy.MERGE: "additions and removals of both are merged",
}


def rule_of(flow: FlowSpec, kind: Kind, path: str) -> str:
    """What the flow does with a field (a history path: ``price``, ``variants/12/price``)."""
    name = rule_name(path)
    collection = path.partition("/")[0]
    constants = flow.constants.get(kind, {})
    if path in constants:
        return f"set to {show(constants[path])} by flows.{flow.name}.set.{kind}"
    if flow.exclude & {name, collection}:
        return f"left alone: flows.{flow.name}.exclude names it"
    if flow.include is not None and not flow.include & {name, collection}:
        return f"left alone: flows.{flow.name}.include does not name it"
    if name == "availability" and flow.availability_from_listing:
        return "available while the product's listing on the source's channel is active, otherwise disabled"
    return f"{_way(flow, kind, path)}; if both sides changed it, {_WINNERS[_policy(flow, name)]}"


def rule_name(path: str) -> str:
    """``variants/12/price`` as rules name it: ``variants.price``."""
    collection, _, rest = path.partition("/")
    if not rest:
        return path
    return f"{collection}.{rest.rpartition('/')[2]}" if "/" in rest else collection


def _policy(flow: FlowSpec, name: str) -> Policy:
    return flow.field_policies.get(name, flow.policy)


def _way(flow: FlowSpec, kind: Kind, path: str) -> str:
    schema = field_schema(kind, path)
    if schema is None:
        return "kept in agreement as a whole"
    if schema.type is FieldType.MONEY and not flow.prices.changes_nothing and not path.endswith("cost_price"):
        return _price_way(flow)
    if schema.type in {FieldType.REF, FieldType.REFS}:
        return f"the same {schema.kind} records, by their links"
    if schema.type in {FieldType.PART, FieldType.PARTS}:
        return f"the same {schema.part}, by their links"
    return "copied from the source"


def _price_way(flow: FlowSpec) -> str:
    rule, words = flow.prices, "the source's price"
    if rule.multiply != 1:
        words += f" × {show(rule.multiply)}"
    if rule.add:
        words += f" {'+' if rule.add > 0 else '-'} {show(abs(rule.add))}"
    if rule.places is not None:
        words += f", rounded to {rule.places} places ({rule.rounding.replace('_', ' ')})"
    return words


def show(value: Value, *, longest: int = 120) -> str:
    """A value for people, cut off where it is long."""
    data = plain(value)
    if data is None:
        return "nothing"
    text = f"{value!r}" if isinstance(value, str) else str(data).lower() if isinstance(data, bool) else str(data)
    if isinstance(data, list):
        text = ", ".join(" ".join(map(str, row)) if isinstance(row, list) else str(row) for row in data) or "nothing"
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
