"""Everything a person can ask of a hub, as one port for the command line, the HTTP API and the dashboard.

``local.LocalHub`` does it in this process, ``remote.RemoteHub`` asks a running server for it; neither the commands nor
the routes know which. Errors are StoreweaveErrors: RefusedError for what cannot be done as asked, ConfigError for
names that do not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from storeweave.app.shown import (
    BrakeShown,
    CheckShown,
    Counted,
    Explanation,
    HistoryPage,
    HookShown,
    ItemPage,
    ParkedPage,
    PlanShown,
    RunShown,
    Status,
    SyncStarted,
    UndoShown,
)

Progress = Callable[[str, int, int | None], None]
"""What is being done, how many are done, of how many (None: not known)."""


def no_progress(_what: str, _done: int, _of: int | None) -> None:
    """For who does not want to know."""


class HubPort(Protocol):
    """What can be asked."""

    async def status(self) -> Status:
        """The state of everything."""

    async def items(
        self,
        *,
        flow: str | None = None,
        kind: str | None = None,
        state: str | None = None,
        text: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> ItemPage:
        """Records, a page at a time; ``text`` searches key, SKU and title."""

    async def explain(
        self,
        item: str,
        *,
        field: str | None = None,
        flow: str | None = None,
        kind: str | None = None,
        live: bool = False,
    ) -> Explanation:
        """Why a record, or one field of it, is what it is. RefusedError when ``item`` names none or several.

        ``live``: read the source's record, too, which costs a call.
        """

    async def history(
        self,
        *,
        item: str | None = None,
        flow: str | None = None,
        run: int | None = None,
        since: datetime | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> HistoryPage:
        """Applied changes, newest first."""

    async def parked(
        self, *, flow: str | None = None, code: str | None = None, after: str | None = None, limit: int = 50
    ) -> ParkedPage:
        """What waits for a person or for new content, and why."""

    async def brakes(self) -> list[BrakeShown]:
        """Guards that tripped."""

    async def runs(self, *, flow: str | None = None, limit: int = 20) -> list[RunShown]:
        """Passes, newest first."""

    async def run(self, run: int) -> RunShown:
        """One pass. RefusedError when there is none of that number."""

    async def plan(
        self, flow: str, *, most: int = 200, everything: bool = False, progress: Progress = no_progress
    ) -> PlanShown:
        """What would be written now; reads both sides, writes nothing. ``everything``: also what looks equal."""

    async def sync(
        self,
        *,
        flow: str | None = None,
        items: Sequence[str] = (),
        full: bool = False,
        progress: Progress = no_progress,
    ) -> SyncStarted:
        """Mark these items, or compare whole listings (``full``)."""

    async def undo(
        self,
        *,
        run: int | None = None,
        change: int | None = None,
        item: str | None = None,
        since: datetime | None = None,
    ) -> UndoShown:
        """Take applied changes back: a run's, one, or an item's since a time."""

    async def retry(self, *, flow: str | None = None, code: str | None = None, items: Sequence[str] = ()) -> Counted:
        """Try parked keys again now."""

    async def release_brake(self, brake: int, *, count: int, list_hash: str) -> Counted:
        """Let what a brake holds pass, if it still is what was shown."""

    async def drop_brake(self, brake: int) -> Counted:
        """Give up what a brake holds; the destination keeps what it has."""

    async def pause(self, connection: str, *, reason: str = "paused by hand") -> None:
        """No writes to this connection until ``resume``."""

    async def resume(self, connection: str) -> None:
        """Go on."""

    async def pair(self, connection: str) -> CheckShown:
        """Accept the account that stands behind this connection now."""

    async def hooks(self, action: str, connection: str | None = None) -> list[HookShown]:
        """``list``, ``ensure`` or ``remove`` webhook subscriptions; only ours are ever removed."""

    async def link(self, flow: str, kind: str, key: str, destination_key: str) -> None:
        """Say that these two records are the same thing."""

    async def unlink(self, flow: str, kind: str, key: str) -> None:
        """Forget that a record is linked. Nothing is written at the destination."""

    async def check(self) -> list[CheckShown]:
        """Try every connection's credentials."""

    async def purge(self) -> dict[str, int]:
        """Remove what retention no longer keeps; the numbers removed."""
