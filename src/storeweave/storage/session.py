"""A session: one open transaction, in which named statements run. What a unit of work is given.

Begin, commit and retry are the executor's; a session never ends its own transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection, CursorResult

from storeweave.ports.clock import Clock
from storeweave.storage.rows import to_us
from storeweave.storage.statements import CLOCK, DialectName, Rows, Statement

Columns = tuple[Any, ...]
"""A row, in the order of the statement."""


class Session:
    """Runs statements on one connection."""

    __slots__ = ("_clock", "_sql", "dialect")

    def __init__(self, sql: Connection, dialect: DialectName, clock: Clock) -> None:
        self._sql = sql
        self._clock = clock
        self.dialect = dialect

    @property
    def now(self) -> datetime:
        """The injected clock."""
        return self._clock.now()

    @property
    def now_us(self) -> int:
        """The same as it is stored."""
        return to_us(self._clock.now())

    def rows(self, statement: Statement, /, rows: Rows | None = None, **parameters: Any) -> Sequence[Columns]:
        """What the statement returns; nothing is asked for no rows."""
        if rows is not None and not rows:
            return ()
        return self._execute(statement, rows or (), parameters).fetchall()

    def row(self, statement: Statement, /, **parameters: Any) -> Columns | None:
        """The first row, or None."""
        result = self._execute(statement, (), parameters)
        return result.first()

    def run(self, statement: Statement, /, rows: Rows | None = None, **parameters: Any) -> int:
        """How many rows the statement changed; nothing is done for no rows."""
        if rows is not None and not rows:
            return 0
        return self._execute(statement, rows or (), parameters).rowcount

    def script(self, sql: str) -> Sequence[Columns]:
        """Run a constant without parameters (a pragma)."""
        result = self._sql.exec_driver_sql(sql)
        return result.fetchall() if result.returns_rows else ()

    def _execute(self, statement: Statement, rows: Rows, parameters: dict[str, Any]) -> CursorResult[Any]:
        prepared = statement.prepared(self.dialect)
        if prepared.reads_clock:
            parameters[CLOCK] = self.now_us
        return self._sql.exec_driver_sql(prepared.sql, prepared.parameters(parameters, rows))
