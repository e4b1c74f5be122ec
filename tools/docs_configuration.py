"""The reference of ``storeweave.toml`` as Markdown, made from the classes that check the file."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import types
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

import storeweave.connectors
from storeweave.access.secrets import Secret
from storeweave.app.config_model import ConfigFile
from storeweave.model.kinds import SCHEMAS

HEAD: Final = """\
# Configuration

One file, `storeweave.toml`, checked as a whole: every fault is listed with its path and remedy. Unknown keys are
faults. `${env:NAME}` and `${file:path}` may stand in any text, `$${` is a plain `${`; `${env:...}` is also looked for
in the lines of `hub.env_file`. The file is found in the current folder, by `--config`, or by `STOREWEAVE_CONFIG`.
"""
_TYPES: Final = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Decimal: "number",
    Secret: "text, secret",
    SecretStr: "text, secret",
}
_NAMES: Final = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}


def configuration_page() -> str:
    """All tables, connectors' settings included."""
    parts = [HEAD]
    for name, field in ConfigFile.model_fields.items():
        model, keyed = _model(field.annotation)
        assert model is not None
        title = f"{name}.NAME" if keyed else name
        parts += _section(model, title, field.description or "")
        if name == "connections":
            parts += _connectors()
    parts += _fields()
    return "\n".join(parts)


def settings_paths() -> Iterator[str]:
    """Every setting as it is written in a file: ``hub.listen``, ``flows.NAME.brakes.max_deletes``."""
    for name, field in ConfigFile.model_fields.items():
        model, keyed = _model(field.annotation)
        assert model is not None
        yield from _paths(model, f"{name}.NAME" if keyed else name)
    for connector, settings in connector_settings():
        yield from (f"connections.NAME.{field} ({connector})" for field in settings.model_fields)


def connector_settings() -> Iterator[tuple[str, type[BaseModel]]]:
    """Connectors that a configuration may name, each with the class of its settings."""
    for found in pkgutil.iter_modules(storeweave.connectors.__path__):
        module = importlib.import_module(f"storeweave.connectors.{found.name}")
        for name, value in sorted(vars(module).items()):
            if name.endswith("Settings") and isinstance(value, type) and issubclass(value, BaseModel):
                yield found.name, value


def _paths(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner, keyed = _model(field.annotation)
        path = f"{prefix}.{name}"
        if inner is None:
            yield path
        else:
            yield from _paths(inner, f"{path}.NAME" if keyed else path)


def _section(model: type[BaseModel], title: str, words: str) -> list[str]:
    lines = [f"\n## `[{title}]`\n", words, "", "| Setting | Type | Default | Meaning |", "|---|---|---|---|"]
    inner: list[str] = []
    for name, field in model.model_fields.items():
        nested, keyed = _model(field.annotation)
        if nested is None:
            lines.append(row(name, field))
            continue
        below = f"{title}.{name}.NAME" if keyed else f"{title}.{name}"
        anchor = re.sub(r"[^\w-]", "", below.lower())
        lines.append(f"| `{name}` | [table](#{anchor}) | | {_words(field)} |")
        inner += _section(nested, below, field.description or "")
    return lines + inner


def _connectors() -> list[str]:
    lines: list[str] = []
    for name, settings in connector_settings():
        lines += [
            f'\n### `connector = "{name}"`\n',
            f"Beside the settings of every connection. How to set it up: [{name}](../connectors/{name}.md).",
            "",
            "| Setting | Type | Default | Meaning |",
            "|---|---|---|---|",
            *(row(field, info) for field, info in settings.model_fields.items()),
        ]
    return lines


def _fields() -> list[str]:
    """What ``include``, ``exclude``, ``conflicts.fields`` and ``set`` may name."""
    lines = ["\n## Names of fields\n", "For `include`, `exclude`, `conflicts.fields` and `set`, by kind. What stands",
             "before a dot is a collection and may be named as a whole.", ""]  # fmt: skip
    for kind, schema in SCHEMAS.items():
        names = [*schema.fields, *(f"{part}.{name}" for part, inner in schema.parts.items() for name in inner.fields)]
        lines.append(f"- **{kind}**: " + ", ".join(f"`{name}`" for name in names))
    return [*lines, ""]


def row(name: str, field: FieldInfo) -> str:
    """One line of a table of settings."""
    limits = [_NAMES[k].format(f"{getattr(m, k):g}") for m in field.metadata for k in _NAMES if hasattr(m, k)]
    text = type_text(field.annotation) + (f", {', '.join(limits)}" if limits else "")
    return f"| `{name}` | {text} | {default_text(field)} | {_words(field)} |"


def _words(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|").replace("\n", " ")


def default_text(field: FieldInfo) -> str:
    """The default as it would be written in the file."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ({}, ()):
        return "none" if value is None else "empty"
    return f"`{_literal(value)}`"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_literal(one) for one in value) + "]"
    if isinstance(value, str):
        return json.dumps(str(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def type_text(annotation: Any) -> str:
    """A type in an operator's words."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        return " or ".join(type_text(arm) for arm in args if arm is not type(None))
    if origin is Literal:
        return " or ".join(f'`"{value}"`' if isinstance(value, str) else f"`{value}`" for value in args)
    if origin in {tuple, list, set, frozenset}:
        return f"list of {type_text(args[0])}"
    if origin is dict:
        return f"table of {type_text(args[1])}"
    if hasattr(annotation, "__metadata__"):
        return type_text(args[0])
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f'`"{value}"`' for value in annotation)
    return _TYPES.get(annotation, "value")


def _model(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The table behind a field, and whether it stands under a name of the operator's choice."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    if get_origin(annotation) is dict:
        inner = get_args(annotation)[1]
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner, True
    return None, False
