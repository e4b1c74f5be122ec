"""Cursors of listings: opaque to their readers, a few values to us."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from storeweave.model.errors import BadRequestError


def to_cursor(values: Sequence[str | int]) -> str:
    """A text that stands in a URL as it is."""
    raw = json.dumps(list(values), separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_cursor(cursor: str, *types: type[str] | type[int]) -> list[str | int]:
    """The values again. Raises BadRequestError for a text that is no cursor of this listing."""
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        values = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadRequestError("after: this is no cursor; take the one that the page before gave as `next`") from error
    if not isinstance(values, list) or len(values) != len(types):
        raise BadRequestError("after: this cursor belongs to another listing")
    if any(type(value) is not wanted for value, wanted in zip(values, types, strict=True)):
        raise BadRequestError("after: this cursor belongs to another listing")
    return values
