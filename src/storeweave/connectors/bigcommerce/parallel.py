"""Several calls under way at once, with one owner and one way to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator

from storeweave.model.errors import StoreweaveError

Job = Callable[[], Awaitable[None]]


async def in_parallel(jobs: Iterable[Job], *, at_once: int) -> None:
    """Run all jobs, at most ``at_once`` at a time.

    After the first error of ours no new job starts, those under way come to their end (so that what they wrote is
    known), and then the error is raised. Any other exception cancels the others.
    """
    waiting = list(jobs)
    if len(waiting) == 1:
        await waiting[0]()
        return
    failed: list[StoreweaveError] = []
    queue = iter(waiting)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(waiting))):
                group.create_task(_work(queue, failed))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    if failed:
        raise failed[0]


async def _work(queue: Iterator[Job], failed: list[StoreweaveError]) -> None:
    for job in queue:
        if failed:
            return
        try:
            await job()
        except StoreweaveError as error:
            failed.append(error)
