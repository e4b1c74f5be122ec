"""The reference of error codes: found in the source, explained in ``error_codes.toml``; what one lacks is a fault."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from storeweave.connectors.bigcommerce import verdicts
from storeweave.model import errors

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCE: Final = ROOT / "src" / "storeweave"
_LEFT_OUT: Final = ("connectors/memory/", "connectors/bigcommerce/twin/", "twinkit/", "app/demo/")
_PARKERS: Final = {"park": 2, "later": 4, "_postpone": 4, "wait_for": 2, "problem": 2}
"""Functions that take a code by position, and at which one."""

HEAD: Final = """\
# Error codes

Each error has a stable code. It stands in `storeweave parked`, in `storeweave_parked_keys`, in the `code` of the HTTP
API's problems, and in `--json`. The message beside it says what happened, to which key, and what to do.

What the engine does next depends on the class of an error:

| Class | What happens |
|---|---|
| `TransientError` | the key stays dirty and is tried again, with growing waits, for ever |
| `RateLimitedError` | the same, no sooner than the vendor asks, and without counting a try |
| `NotSentError` | as transient; the request never left us |
| `UnknownOutcomeError` | as transient; it may have taken effect, so the destination is looked at first |
| `RefusedError` | the key is parked with its reason; its neighbours go on |
| `LaneBlockedError` | the connection waits for a person, and is tried now and then |
| `LeaseLostError` | another process owns the lane now; the batch is marked again |
| `BadRequestError`, `BadSignatureError` | a request from outside is refused |
| `ConfigError` | the program or the flow does not start |
"""

MEANINGS: Final[dict[str, dict[str, str]]] = tomllib.loads((ROOT / "tools" / "error_codes.toml").read_text())


def errors_page() -> str:
    """All codes with what they mean. Raises LookupError when source and table disagree."""
    found = codes()
    if unexplained := sorted(found.keys() - MEANINGS.keys()):
        raise LookupError(f"error codes without a meaning in tools/error_codes.toml: {', '.join(unexplained)}")
    if gone := sorted(MEANINGS.keys() - found.keys()):
        raise LookupError(f"tools/error_codes.toml explains codes that the source does not have: {', '.join(gone)}")
    lines = [HEAD, "| Code | Means | What to do |", "|---|---|---|"]
    lines += [f"| `{code}` | {MEANINGS[code]['means']} | {MEANINGS[code]['do']} |" for code in sorted(found)]
    return "\n".join([*lines, ""])


def codes() -> dict[str, list[str]]:
    """Every code with the modules that use it."""
    found: dict[str, list[str]] = {}
    for code, module in _all():
        if module not in found.setdefault(code, []):
            found[code].append(module)
    return found


def _all() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith(_LEFT_OUT):
            yield from ((code, name) for code in _in_module(ast.parse(path.read_text())))
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.StoreweaveError):
            yield value("").code, "model/errors.py"
    for code in verdicts.REFUSED_CODES.values():
        yield code, "connectors/bigcommerce/verdicts.py"
    for status in verdicts.BLOCKED:
        yield f"http-{status}", "connectors/bigcommerce/verdicts.py"
    for code in ("no-route", "no-method", "http"):  # chosen by status
        yield code, "app/problems.py"


def _in_module(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = [word.value for word in node.keywords if word.arg in {"code", "reason_code"}]
        place = _PARKERS.get(name)
        if place is not None and len(node.args) > place:
            given.append(node.args[place])
        for value in given:
            yield from _texts(value)


def _texts(value: ast.expr) -> Iterator[str]:
    """The text, or both of ``"a" if ... else "b"``."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from _texts(value.body)
        yield from _texts(value.orelse)
