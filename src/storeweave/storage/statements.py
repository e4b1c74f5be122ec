"""Statements: written once by hand, prepared once for each database, then run as constants.

What differs between the two databases is spelled in braces: ``{least}``, ``{now}``, ``{for_update}`` and, for many rows
in one statement, ``{rows}``. The latter is a table ``r`` made of one parameter per column on PostgreSQL (``unnest`` of
arrays) and of one JSON parameter on SQLite (``json_each``), so that a batch of any size is one call into the database
with the same text. JSON has no bytes: a statement with a ``bytea`` column is run once per row on SQLite.

PostgreSQL's planner believes in tiny tables as long as it has no statistics, which is all through a first load, and
would rather read a whole kind than look 250 keys up. So nothing here gives it the choice: what is common to many keys
is made part of each of them, behind a ``{fence}`` that it doesn't look through.

Running them is ``session.py``; what they say is in the modules named for the trade.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

DialectName = Literal["sqlite", "postgresql"]
Rows = Sequence[tuple[Any, ...]]

CLOCK = "clock_now"
"""The parameter that carries the injected clock where the database's own is not used."""

_WORDS: Mapping[DialectName, Mapping[str, str]] = {
    "sqlite": {
        "least": "min",
        "greatest": "max",
        "contains": "instr",
        "now": f":{CLOCK}",
        "for_update": "",
        "fence": "",
    },
    "postgresql": {
        "least": "least",
        "greatest": "greatest",
        "contains": "strpos",
        "now": "(extract(epoch from clock_timestamp()) * 1000000)::bigint",
        "for_update": "for update",
        "fence": "offset 0",
    },
}
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")
_JSON_ROWS = "r_rows"
_JSON = msgspec.json.Encoder()


class Column(msgspec.Struct, frozen=True):
    """One column of ``{rows}``."""

    name: str
    type: str


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as one database takes it."""

    sql: str
    dialect: DialectName
    columns: tuple[Column, ...]
    row_by_row: bool
    reads_clock: bool

    def parameters(self, scalars: dict[str, Any], rows: Rows) -> dict[str, Any] | list[dict[str, Any]]:
        """What the driver gets: one set of parameters, or one per row where the statement runs row by row."""
        if not self.columns:
            return scalars
        if self.row_by_row:
            names = [f"r_{c.name}" for c in self.columns]
            return [{**dict(zip(names, row, strict=True)), **scalars} for row in rows]
        if self.dialect == "sqlite":
            scalars[_JSON_ROWS] = _JSON.encode(rows).decode()
            return scalars
        for column, values in zip(self.columns, zip(*rows, strict=True), strict=True):
            scalars[f"r_{column.name}"] = list(values)
        return scalars


class Statement:
    """One named operation, in both dialects.

    ``rows`` declares the columns of ``{rows}``: ``"flow text, kind text, want bigint"``. ``sqlite`` and ``postgresql``
    fill further braces of this statement alone.
    """

    __slots__ = ("_prepared",)

    def __init__(
        self,
        text: str,
        *,
        rows: str = "",
        sqlite: Mapping[str, str] | None = None,
        postgresql: Mapping[str, str] | None = None,
    ) -> None:
        columns = tuple(Column(*declared.split()) for declared in rows.split(",")) if rows else ()
        self._prepared: Mapping[DialectName, Prepared] = {
            "sqlite": _prepare(text, "sqlite", columns, sqlite or {}),
            "postgresql": _prepare(text, "postgresql", columns, postgresql or {}),
        }

    def prepared(self, dialect: DialectName) -> Prepared:
        """This statement for one database."""
        return self._prepared[dialect]


def _prepare(text: str, dialect: DialectName, columns: tuple[Column, ...], words: Mapping[str, str]) -> Prepared:
    row_by_row = dialect == "sqlite" and any(c.type == "bytea" for c in columns)
    sql = " ".join(text.split())
    for word, meaning in {**words, **_WORDS[dialect], "rows": _rows(dialect, columns, row_by_row)}.items():
        sql = sql.replace("{" + word + "}", meaning)
    reads_clock = f":{CLOCK}" in sql
    if dialect == "postgresql":
        sql = _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
    return Prepared(sql=sql, dialect=dialect, columns=columns, row_by_row=row_by_row, reads_clock=reads_clock)


def _rows(dialect: DialectName, columns: tuple[Column, ...], row_by_row: bool) -> str:
    if dialect == "postgresql":
        arrays = ", ".join(_array(c.name, c.type) for c in columns)
        return f"unnest({arrays}) as r({', '.join(c.name for c in columns)})"
    if row_by_row:
        return f"(select {', '.join(f':r_{c.name} as {c.name}' for c in columns)}) as r"
    fields = ", ".join(f"json_extract(value, '$[{i}]') as {c.name}" for i, c in enumerate(columns))
    return f"(select {fields} from json_each(:{_JSON_ROWS})) as r"


def _array(name: str, type_: str) -> str:
    return f":r_{name}::{type_}[]"


class Conditions:
    """The ``where`` of a question with optional parts, made of constant pieces."""

    def __init__(self, **always: Any) -> None:
        self.pieces: list[str] = []
        self.parameters: dict[str, Any] = dict(always)

    def add(self, piece: str, **parameters: Any) -> None:
        """Ask this, too; a parameter that is None means that the question wasn't asked."""
        if all(value is None for value in parameters.values()) and parameters:
            return
        self.pieces.append(piece)
        self.parameters.update(parameters)

    def statement(self, text: str) -> Statement:
        """``text`` with ``{where}`` filled."""
        return Statement(text.replace("{where}", " and ".join(self.pieces) or "true"))
