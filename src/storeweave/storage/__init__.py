"""Our own state on SQLite or PostgreSQL, behind the port ``Store``."""

from storeweave.storage.executor import Inline
from storeweave.storage.store import SqlStore, open_store
from storeweave.storage.writer import WriterThread

__all__ = ["Inline", "SqlStore", "WriterThread", "open_store"]
