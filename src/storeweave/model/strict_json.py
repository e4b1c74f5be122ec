"""JSON from outside, read strictly: what two readers could understand differently is refused (semantics 3.15).

Duplicate keys, NaN and infinities, nesting deeper than 64, more than 10,000 members, broken UTF-8 and lone
surrogates are BadRequestError. Fractions become Decimals. How many bytes may come in at all is the door's business.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NoReturn

from storeweave.model.errors import BadRequestError

MAX_DEPTH = 64
MAX_MEMBERS = 10_000

_QUOTE, _BACKSLASH = '"', "\\"


def read_strictly(body: bytes, *, max_depth: int = MAX_DEPTH, max_members: int = MAX_MEMBERS) -> Any:
    """The value that ``body`` says. Raises BadRequestError, and nothing else, for anything that is not plain JSON."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequestError("the body is not UTF-8; send JSON encoded as UTF-8") from error
    _refuse_depth(text, max_depth)
    try:
        value = json.loads(text, object_pairs_hook=_no_twice, parse_constant=_no_constant, parse_float=_fraction)
    except ValueError as error:  # also integers of absurd length
        raise BadRequestError(f"the body is not JSON: {error}") from error
    _refuse_members(value, max_members)
    return value


def _no_twice(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRequestError("the body has a key twice in one object; send each key once")
    return found


def _no_constant(name: str) -> NoReturn:
    raise BadRequestError(f"the body has {name}, which is not JSON; leave the field out or send null")


def _fraction(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError as error:
        raise BadRequestError("the body has a number that is too large") from error


def _refuse_depth(text: str, max_depth: int) -> None:
    """Count brackets outside strings, so that no parser ever recurses into a deep body."""
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth, at, inside = 0, 0, False
    while at < len(text):
        sign = text[at]
        if inside:
            if sign == _BACKSLASH:
                at += 1
            elif sign == _QUOTE:
                inside = False
        elif sign == _QUOTE:
            inside = True
        elif sign in "[{":
            depth += 1
            if depth > max_depth:
                raise BadRequestError(f"the body is nested deeper than {max_depth} levels")
        elif sign in "]}":
            depth -= 1
        at += 1


def _refuse_members(value: Any, max_members: int) -> None:
    members, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            members += len(item)
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list):
            members += len(item)
            waiting.extend(item)
        elif isinstance(item, str) and not _is_whole(item):
            raise BadRequestError("the body has half of a surrogate pair, which is not text")
        if members > max_members:
            raise BadRequestError(f"the body has more than {max_members} members")


def _is_whole(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
