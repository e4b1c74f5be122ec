"""Which database a server works on, named without telling its address."""

from __future__ import annotations

import hashlib

from storeweave.app.config import Config


def identity(config: Config) -> str:
    """How a command knows that a server is its own: a digest of the database's address without its credentials."""
    scheme, _, rest = config.database_url.partition("://")
    return hashlib.blake2b(f"{scheme}://{rest.rpartition('@')[2]}".encode(), digest_size=8).hexdigest()
