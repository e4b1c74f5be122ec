"""Bulk writes whose single bad row must not spoil its neighbours.

BigCommerce refuses a batch as a whole and says not always for whose sake. A refused batch is halved until the guilty
rows stand alone; everything else is written. Repeating is harmless: every row says what should be, not by how much.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from storeweave.connectors.bigcommerce.session import LANE_WIDE
from storeweave.model.errors import RefusedError, StoreweaveError

Row = TypeVar("Row")
Send = Callable[[Sequence[Row]], Awaitable[Sequence[Row]]]
"""Sends one batch and returns the rows of which the answer doesn't prove that they were saved whole."""
Fail = Callable[[Row, StoreweaveError], None]


async def write_rows(rows: Sequence[Row], send: Send[Row], fail: Fail[Row], *, most: int) -> None:
    """Write all rows in batches of at most ``most``; ``fail`` hears of each that was not written."""
    waiting = [list(rows[at : at + most]) for at in range(0, len(rows), most)]
    while waiting:
        batch = waiting.pop(0)
        try:
            again = await send(batch)
        except LANE_WIDE:
            raise
        except RefusedError as error:
            if len(batch) == 1:
                fail(batch[0], error)
                continue
            half = len(batch) // 2
            waiting[:0] = [batch[:half], batch[half:]]
            continue
        except StoreweaveError as error:
            for row in batch:
                fail(row, error)
            continue
        if len(again) == len(batch) > 1:
            half = len(batch) // 2
            waiting[:0] = [batch[:half], batch[half:]]
        elif len(batch) > 1:
            waiting[:0] = [[row] for row in again]
