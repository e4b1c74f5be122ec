"""Writing TOML by hand: only what our own generated configurations need. Reading is the standard library's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

Value = str | bool | int | float | Decimal | Sequence[str]


def toml_value(value: Value) -> str:
    """One value on one line. Raises ValueError for a text that TOML cannot hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError("a text with half of a surrogate pair cannot be written") from error
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "[" + ", ".join(toml_value(v) for v in value) + "]"


def toml_table(name: str, values: Mapping[str, Value], comments: Mapping[str, str] | None = None) -> str:
    """One table with its keys, each with an optional comment behind it."""
    lines = [f"[{name}]"] if name else []
    for key, value in values.items():
        comment = (comments or {}).get(key)
        lines.append(f"{key} = {toml_value(value)}" + (f"  # {comment}" if comment else ""))
    return "\n".join(lines) + "\n"
