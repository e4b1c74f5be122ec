"""Setting up the log: events as JSON lines for machines, or readable lines on a terminal, to standard error.

Secrets cannot enter it: only values of plain types are kept as they are, known secrets are masked in every text, and
keys that are named like a secret are masked whatever they hold. Tracebacks come without the values of variables.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, TextIO, cast

import structlog

from storeweave.access.secrets import MASK, Secret, redact

EventDict = MutableMapping[str, Any]
LONGEST_TEXT: Final = 2000
LONGEST_LIST: Final = 20
PLAIN: Final = (str, int, float, bool, type(None), Decimal, datetime, PurePath)
SECRET_NAMES: Final = ("token", "secret", "password", "authorization", "api_key", "signature", "cookie")


def set_up_logs(
    *, level: str = "info", form: str = "auto", secrets: Iterable[Secret] = (), stream: TextIO | None = None
) -> None:
    """Configure structlog and the standard library's loggers. ``form``: auto, json or console."""
    out = cast("TextIO", Unfailing(stream if stream is not None else sys.stderr))
    as_json = form == "json" or (form == "auto" and not out.isatty())
    number = logging.getLevelNamesMapping()[level.upper()]
    known = tuple(secrets)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        masking(known),
    ]
    renderer: Any = structlog.processors.JSONRenderer(sort_keys=False, default=_text)
    if not as_json:
        renderer = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
        )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    _adopt_standard_loggers(number, shared, renderer, out)


class Unfailing:
    """Where the lines go. One that cannot be written (a full disk, a closed pipe) is lost: the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()


def _adopt_standard_loggers(number: int, shared: list[Any], renderer: Any, out: TextIO) -> None:
    """Libraries log by the standard library: warnings and worse, in our form. Their chatter may hold addresses."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(number, logging.WARNING))


def masking(secrets: Iterable[Secret]) -> Callable[[Any, str, EventDict], EventDict]:
    """The processor that lets only harmless values through."""
    known = tuple(secrets)

    def mask(_logger: Any, _method: str, event: EventDict) -> EventDict:
        return {name: _kept(name, value, known) for name, value in event.items()}

    return mask


def _kept(name: str, value: Any, secrets: tuple[Secret, ...]) -> Any:
    if isinstance(value, Secret) or any(part in name.lower() for part in SECRET_NAMES):
        return MASK
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        longest = LONGEST_TEXT * 10 if name == "exception" else LONGEST_TEXT
        text = redact(value, secrets)
        return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Mapping):
        return {
            redact(str(key), secrets): _kept(str(key), inner, secrets)
            for key, inner in list(value.items())[:LONGEST_LIST]
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_kept(name, inner, secrets) for inner in list(value)[:LONGEST_LIST]]
    if isinstance(value, BaseException):
        return redact(f"{type(value).__name__}: {value}", secrets)
    return f"<{type(value).__name__}>"


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
