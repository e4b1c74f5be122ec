"""What Alembic asks for: it runs on the connection, and inside the transaction, that ``upgrade`` has opened."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
