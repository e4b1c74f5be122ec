"""Secrets: values that no log, traceback, repr or JSON shows; references to them; and removing them from text.

Where a reference is resolved (environment, files) is the app's business; here is only what a secret is.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

MASK: Final = "***"
SHORTEST_REDACTED: Final = 4
"""Shorter secrets are not searched for in text: they would tear ordinary words apart."""


class Secret:
    """A text that shows itself only to who asks with ``reveal``."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Keep it in no variable that outlives the call, and in no message."""
        return self._text

    def matches(self, other: str) -> bool:
        """Equality in constant time."""
        return hmac.compare_digest(self._text.encode(), other.encode("utf-8", "surrogateescape"))

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._text)

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a secret is not pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Settings classes hold it like a ``str``; it leaves them masked."""
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(min_length=1))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda _: MASK, return_schema=core_schema.str_schema()
            ),
        )


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """The text with each secret in it replaced by ``***``; longer secrets first, so that none leaves its tail."""
    for known in sorted((s.reveal() for s in secrets), key=len, reverse=True):
        if len(known) >= SHORTEST_REDACTED:
            text = text.replace(known, MASK)
    return text
