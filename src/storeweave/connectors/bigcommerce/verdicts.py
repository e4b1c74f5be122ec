"""What to do about each answer of BigCommerce that is not plain success, and how its errors read to people.

Sources: the vendor's status code page and the error schemas of its OpenAPI files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from storeweave.model.errors import (
    LaneBlockedError,
    RateLimitedError,
    RefusedError,
    StoreweaveError,
    TransientError,
    UnknownOutcomeError,
)
from storeweave.ports.transport import Response

SYSTEM = "BigCommerce"
MESSAGE_CHARS = 400

REFUSED_CODES: Mapping[int, str] = {
    400: "bad-request",
    404: "missing",
    405: "bad-request",
    406: "bad-request",
    409: "conflict",
    410: "missing",
    413: "too-large",
    415: "bad-request",
    422: "invalid",
}
MAY_HEAL = frozenset({408, 423, 425, 429})
BLOCKED = frozenset({401, 402, 403})
BLOCKED_REMEDY: Mapping[int, str] = {
    401: "renew the access token in the settings",
    402: "the store's plan has ended",
    403: "give the API account the scope for this (Products: modify)",
}
_TAKEN_WORDS = ("already", "duplicate", "unique", "in use", "taken", "exists")
_REFERENCE_WORDS = ("category", "categories", "brand", "tax_class", "tax class")
_IDENTITY_WORDS = ("sku", "name", "url")


def verdict(response: Response, *, what: str, is_write: bool, wait_s: float, secrets: Iterable[str]) -> StoreweaveError:
    """Name the one thing to do about an answer. ``wait_s`` is how long to keep away after a 429."""
    status = response.status
    detail = redacted(problem_text(problem_of(response.body)), secrets)[:MESSAGE_CHARS]
    text = f"{SYSTEM} answered {status} to {what}" + (f": {detail}" if detail else "")
    if status == 429:
        return RateLimitedError(text, wait_s=wait_s)
    if status in BLOCKED:
        return LaneBlockedError(f"{text}; {BLOCKED_REMEDY[status]}", code=f"http-{status}")
    if status in REFUSED_CODES:
        return RefusedError(text, code=refused_code(status, detail))
    if is_write:
        return UnknownOutcomeError(text)
    return TransientError(text) if status >= 500 or status in MAY_HEAL else RefusedError(text, code=f"http-{status}")


def refused_code(status: int, detail: str) -> str:
    """The cause that a refusal is grouped by: ``duplicate`` means that another thing holds the name, SKU or URL."""
    lower = detail.lower()
    if status in {409, 422}:
        taken = any(word in lower for word in _TAKEN_WORDS)
        refers = any(word in lower for word in _REFERENCE_WORDS)
        names = any(word in lower for word in _IDENTITY_WORDS)
        if taken or (status == 409 and names and not refers):
            return "duplicate"
        if status == 409 and refers:
            return "missing-reference"
    return REFUSED_CODES[status]


def problem_of(body: bytes) -> Any:
    """The error in a body, or None when there is none that can be read."""
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        return None


def problem_text(problem: Any) -> str:
    """Title and field messages of an error as one line; empty when there is nothing to read."""
    if isinstance(problem, list):  # V2: a list of {status, message}
        return "; ".join(filter(None, map(problem_text, problem)))
    if not isinstance(problem, dict):
        return ""
    title = problem.get("title") or problem.get("message") or ""
    parts = [str(title)] if title else []
    for member in ("errors", "batch_errors"):
        parts.extend(f"{name}: {text}" if name else text for name, text in field_messages(problem.get(member)))
    return "; ".join(parts)


def field_messages(errors: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(field, message) for each thing that an ``errors`` member says, however deep it nests."""
    if isinstance(errors, dict):
        if "title" in errors and isinstance(errors.get("errors"), dict | list):
            yield prefix, str(errors["title"])
            yield from field_messages(errors["errors"], prefix)
            return
        for name, value in errors.items():
            yield from field_messages(value, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(errors, list):
        for value in errors:
            yield from field_messages(value, prefix)
    elif errors is not None:
        yield prefix, str(errors)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without our secrets, should a vendor ever echo them."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text
