"""Being rung by other processes: PostgreSQL's LISTEN for the lanes that ``journal.accept`` rings.

A ring says that an idle lane has new marks. It may be lost, doubled or late, and nothing depends on it but speed: what
is due stands in the tables. On SQLite there is nobody to ring; what another process wrote there is found by looking.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import structlog
from psycopg import sql

from storeweave.model.kinds import LaneName
from storeweave.ports.clock import Clock
from storeweave.storage.connections import Database
from storeweave.storage.journal import CHANNEL

log = structlog.get_logger(__name__)

AGAIN_S = 2.0
"""Before we connect again after the connection broke."""


async def listen(database: Database, clock: Clock, ring: Callable[[LaneName], None]) -> None:
    """Call ``ring`` with each lane that is rung, until cancelled. Connects again for as long as it takes."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    quiet = False
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                url, autocommit=True, application_name="storeweave"
            ) as ears:
                await ears.execute(sql.SQL("listen {}").format(sql.Identifier(CHANNEL)))
                if quiet:
                    log.info("wakeups.back")
                    quiet = False
                async for notice in ears.notifies():
                    ring(LaneName(notice.payload))
        except psycopg.OperationalError as error:
            if not quiet:
                log.warning("wakeups.lost", reason=str(error))
                quiet = True
        await clock.sleep(AGAIN_S)
