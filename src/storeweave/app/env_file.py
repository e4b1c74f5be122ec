"""Files of ``NAME=value`` lines (``.env``): read strictly, with every fault named by its line and remedy.

What the names mean is ``import_config``'s business; values are never part of a message, since they may be secrets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LARGEST_BYTES: Final = 1024 * 1024
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment."""

    line: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line (0: with the whole file), and what to do about it."""

    line: int
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.message}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What was read. ``faults`` empty: everything."""

    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...]

    @property
    def values(self) -> dict[str, str]:
        return {entry.name: entry.value for entry in self.entries}


def read_env_file(path: Path) -> EnvFile:
    """Read a file. What cannot be read at all is a fault of line 0."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return _whole(f"{path} cannot be read ({reason})", "give the path of a readable file")
    return parse_env(raw)


def parse_env(raw: bytes) -> EnvFile:
    """Read the bytes of a file: UTF-8 with or without BOM, any line ends, ``export`` prefixes, quotes, comments."""
    if len(raw) > LARGEST_BYTES:
        return _whole("the file is larger than 1 MiB", "give the path of a .env file")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _whole("the file is UTF-16 text", "save it as UTF-8")
    try:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return EnvFile((), (Fault(line, "this is not UTF-8 text", "save the file as UTF-8"),))
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return EnvFile((), (Fault(line, "this is a binary file", "give the path of a .env file"),))
    if text.lstrip().startswith("{"):
        return _whole("this is JSON, not a .env file", "give the path of a file of NAME=value lines")
    return _parse_lines(text)


def _whole(message: str, remedy: str) -> EnvFile:
    return EnvFile((), (Fault(0, message, remedy),))


def _parse_lines(text: str) -> EnvFile:
    entries: dict[str, Entry] = {}
    faults: list[Fault] = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        parsed = _parse_line(number, line)
        if isinstance(parsed, Fault):
            faults.append(parsed)
        elif parsed is not None and parsed.name in entries:
            first = entries[parsed.name].line
            faults.append(Fault(number, f"{parsed.name} was given in line {first} already", "keep one of the two"))
        elif parsed is not None:
            entries[parsed.name] = parsed
    return EnvFile(tuple(entries.values()), tuple(faults))


def _parse_line(number: int, line: str) -> Entry | Fault | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    if re.match(r"export\s", text):
        text = text[6:].lstrip()
    name, sign, rest = text.partition("=")
    name = name.rstrip()
    if not sign:
        shown = name if _NAME.fullmatch(name) else "this"
        return Fault(number, f"{shown} has no value", "write NAME=value, or put # before a comment")
    if not _NAME.fullmatch(name):
        return Fault(number, "what stands before = is not a name", "names have letters, digits and _ only")
    value = _parse_value(number, name, rest.strip())
    return value if isinstance(value, Fault) else Entry(number, name, value)


def _parse_value(number: int, name: str, text: str) -> str | Fault:
    if not text.startswith(('"', "'")):
        return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].rstrip()
    quote, value, at = text[0], [], 1
    while at < len(text) and text[at] != quote:
        if quote == '"' and text[at] == "\\" and at + 1 < len(text):
            value.append(_ESCAPES.get(text[at + 1], "\\" + text[at + 1]))
            at += 2
        else:
            value.append(text[at])
            at += 1
    if at >= len(text):
        return Fault(number, f"the value of {name} has no closing {quote}", f"end it with {quote}")
    rest = text[at + 1 :].strip()
    if rest and not rest.startswith("#"):
        return Fault(number, f"something stands behind the quoted value of {name}", "remove it, or put # before it")
    return "".join(value)
