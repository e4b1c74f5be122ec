"""Faults in a configuration: where, what, and what to do; and pydantic's errors turned into them.

Values never stand in a fault: they may be secrets.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from storeweave.model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``path`` is dotted, as in the file; empty: the whole file."""

    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path + ': ' if self.path else ''}{self.message}; {self.remedy}"


class InvalidConfigError(ConfigError):
    """Everything that is wrong with one file."""

    def __init__(self, file: Path, faults: Sequence[Fault]) -> None:
        self.file = file
        self.faults = tuple(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"{file}: {count}", *(f"  {fault}" for fault in faults)]))


def nearest(word: str, words: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the words closest to it, or nothing."""
    known = sorted(set(words))
    lower = {name.lower(): name for name in known}
    close = sorted(lower[n] for n in difflib.get_close_matches(word.lower(), list(lower), n=2, cutoff=0.6))
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def from_pydantic(
    error: ValidationError, model: type[BaseModel], *, prefix: str = "", also: Sequence[str] = ()
) -> list[Fault]:
    """The faults in a ValidationError, at most one for each place. ``also``: further keys that are valid beside it."""
    found: dict[str, Fault] = {}
    for detail in error.errors(include_url=False, include_context=True):
        fault = _fault(detail, model, prefix, also)
        if fault.path in found and found[fault.path].message != fault.message:
            # The arms of a union fail one by one; together they say what would be right.
            both = f"{found[fault.path].remedy}, or {fault.remedy.removeprefix('write ')}"
            fault = Fault(fault.path, found[fault.path].message, both)
        found[fault.path] = fault
    return list(found.values())


def _fault(detail: ErrorDetails, model: type[BaseModel], prefix: str, also: Sequence[str]) -> Fault:
    parts, owner = _place(detail["loc"], model)
    path = ".".join([prefix, *parts] if prefix else parts).replace(".[", "[")
    kind, last = detail["type"], parts[-1] if parts else ""
    context: dict[str, Any] = detail.get("ctx") or {}
    if kind == "extra_forbidden":
        names = [*(owner.model_fields if owner else ()), *(also if len(parts) == 1 else ())]
        close = nearest(last, names)
        return Fault(path, f"there is no such key{close}", f"remove it, or write one of: {', '.join(sorted(names))}")
    if kind == "missing":
        return Fault(path, "this key is required", f"add {last} = ...{_meaning(owner, last)}")
    if kind in {"literal_error", "enum"}:
        expected = str(context.get("expected", ""))
        value = detail.get("input")
        close = nearest(value, re.findall(r"'([^']*)'", expected)) if isinstance(value, str) else ""
        return Fault(path, f"this is not one of the values{close}", f"write {expected}")
    if kind == "string_pattern_mismatch":
        return Fault(path, "this is not a name", "use lower-case letters, digits, - and _, at most 63")
    return Fault(path, *_plain_words(kind, str(detail["msg"]), context))


def _plain_words(kind: str, message: str, context: dict[str, Any]) -> tuple[str, str]:
    if kind == "value_error":
        return "this cannot be used", str(context.get("error", message))
    for part, words in {
        "bool": ("this is not true or false", "write true or false, without quotes"),
        "int": ("this is not a whole number", "write a whole number, without quotes"),
        "float": ("this is not a number", "write a number, without quotes"),
        "decimal": ("this is not a number", "write a number, without quotes"),
        "finite": ("this is not a number", "write a number, without quotes"),
        "list": ("this is not a list", 'write a list, such as ["a", "b"]'),
        "tuple": ("this is not a list", 'write a list, such as ["a", "b"]'),
        "dict": ("this is not a table", "write it as a [table] of its own, with keys"),
        "model": ("this is not a table", "write it as a [table] of its own, with keys"),
        "string_type": ("this is not a text", "write a text in quotes"),
    }.items():
        if kind.startswith(part):
            return words
    if kind in _LIMITS:
        return "this is outside its limits", "write " + _LIMITS[kind].format(**context)
    return "this cannot be used", message[:1].lower() + message[1:]


_LIMITS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length}",
    "too_long": "at most {max_length}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
}


def _place(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[list[str], type[BaseModel] | None]:
    """The dotted path of an error and the model that owns its last key; pydantic's own words for unions are dropped."""
    parts: list[str] = []
    owner: type[BaseModel] | None = model
    inside: Any = model
    for step in loc:
        if step == "[key]":
            continue
        if isinstance(step, int):
            parts.append(f"[{step}]")
            inside = _item(inside)
            continue
        current = _model(inside)
        if current is not None:
            parts.append(step)
            owner = current
            field = current.model_fields.get(step)
            inside = field.annotation if field else None
        elif _is_mapping(inside):
            parts.append(step)
            inside = _item(inside)
        elif inside is None:
            parts.append(step)
    return parts, owner


def _arms(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in {Union, types.UnionType}:
        for arm in get_args(annotation):
            yield from _arms(arm)
    else:
        yield annotation


def _model(annotation: Any) -> type[BaseModel] | None:
    for arm in _arms(annotation):
        if isinstance(arm, type) and issubclass(arm, BaseModel):
            return arm
    return None


def _is_mapping(annotation: Any) -> bool:
    return any(get_origin(arm) is dict for arm in _arms(annotation))


def _item(annotation: Any) -> Any:
    for arm in _arms(annotation):
        if get_origin(arm) is dict:
            return get_args(arm)[1]
        if get_args(arm):
            return get_args(arm)[0]
    return None


def _meaning(owner: type[BaseModel] | None, name: str) -> str:
    field = owner.model_fields.get(name) if owner else None
    return f" ({field.description.rstrip('.')})" if field and field.description else ""
