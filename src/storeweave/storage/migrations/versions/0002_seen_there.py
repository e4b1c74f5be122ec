"""What the destination's listing showed is kept apart from what the source's listing showed."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    op.execute("alter table crosswalk add column seen_there_run bigint")
