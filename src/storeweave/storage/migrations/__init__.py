"""How a database gets to the tables of ``schema.py``: numbered steps, run at start inside a lock.

On PostgreSQL the lock is an advisory one, on SQLite it is the write lock of the file; either way the steps are one
transaction, and processes that start together wait for the first. A step must leave the previous version of the program
able to run. A database that a newer version has written is refused.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.engine import Connection, Engine

from storeweave.model.errors import ConfigError

FOLDER = Path(__file__).parent
LOCK = 7_203_117_001
"""Of the advisory lock; any number that nobody else uses."""


def newest() -> str:
    """The number of the newest step."""
    return max(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*.py"))


def current(connection: Connection) -> str | None:
    """The number of the step that a database is at; None: it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.exec_driver_sql("select version_num from alembic_version").first()
    return str(row[0]) if row else None


def upgrade(engine: Engine, schema: str | None = None) -> None:
    """Run what is missing.

    Raises ConfigError when the database is newer than this program.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({LOCK})")
            if schema is not None:
                quoted = connection.dialect.identifier_preparer.quote_identifier(schema)
                connection.exec_driver_sql(f"create schema if not exists {quoted}")
        at, target = current(connection), newest()
        if at == target:
            return
        # Imported here: most starts have nothing to do, and Alembic takes longer to load than that takes.
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigError(
                f"the database is at step {at} and this version of storeweave knows steps up to {target}: "
                "it was written by a newer version; start that one, or restore a backup"
            ) from error
