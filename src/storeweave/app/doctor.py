"""``storeweave doctor``: machine, database, configuration, accounts and webhooks, each fault with its remedy.

It looks and touches nothing, but for one small value that it writes into the database to see whether that works.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from storeweave.app.config import Config
from storeweave.app.config_model import split_listen
from storeweave.app.hub_port import HubPort
from storeweave.app.identity import identity
from storeweave.app.remote import server_at
from storeweave.app.shown import CheckShown
from storeweave.app.wiring import Wired, wire
from storeweave.model.errors import StoreweaveError

LEAST_FREE_BYTES: Final = 1024**3
WAL_RESET_FIXED: Final = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
"""SQLite versions with the repair of the rare WAL-reset corruption. Source: SQLite's change log."""
_LAST_SEEN: Final = "doctor"


def examine_machine() -> list[CheckShown]:
    """What can be said without a configuration."""
    return [*_python(), _sqlite()]


async def examine(config: Config) -> list[CheckShown]:
    """Everything."""
    found = [*examine_machine(), *_configuration(config)]
    if config.sqlite_path is not None:
        found.append(_disk(config.sqlite_path))
    async with server_at(split_listen(config.hub.listen), identity(config), config.hub.api_token) as remote:
        found.append(_server(remote is not None, config))
    try:
        async with wire(config) as wired:
            found.append(await _database(wired))
            found += await wired.local.check()
            found += await _hooks(wired.local, config)
    except StoreweaveError as error:
        found.append(CheckShown(name="database", state="failed", text=str(error), remedy="see hub.database"))
    return found


def _python() -> Iterator[CheckShown]:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield CheckShown(name="python", state="ok", text=text)
    for module, what in (("uvloop", "the event loop in C"), ("httptools", "the HTTP parser in C")):
        if importlib.util.find_spec(module) is None:
            text = f"{what} is not installed: the webhook door is slower"
            yield CheckShown(name=module, state="warning", text=text, remedy=f"pip install {module}")


def _sqlite() -> CheckShown:
    version = sqlite3.sqlite_version_info
    fixed = any(version >= repair and version[:2] == repair[:2] for repair in WAL_RESET_FIXED) or version >= (3, 52)
    text = f"SQLite {sqlite3.sqlite_version}"
    if fixed:
        return CheckShown(name="sqlite", state="ok", text=text)
    note = (
        "has the rare WAL-reset fault of versions before 3.51.3: it needs two connections that checkpoint at once, "
        "and of ours only the serving process' one does"
    )
    return CheckShown(name="sqlite", state="ok", text=f"{text} {note}")


def _configuration(config: Config) -> Iterator[CheckShown]:
    text = f"{config.path}: {len(config.connections)} connections, {len(config.flows)} flows"
    yield CheckShown(name="configuration", state="ok", text=text)
    for warning in config.warnings:
        yield CheckShown(name=warning.path, state="warning", text=warning.message, remedy=warning.remedy)
    if not config.flows:
        text = "no flow is configured: nothing is kept in agreement"
        yield CheckShown(name="flows", state="warning", text=text, remedy="add [flows.main]")


def _disk(database: Path) -> CheckShown:
    try:
        size = database.stat().st_size if database.exists() else 0
        free = shutil.disk_usage(database.parent).free
    except OSError as error:
        return CheckShown(name="disk", state="failed", text=str(error), remedy=f"create {database.parent}")
    text = f"{free / 1024**3:.1f} GiB free at {database.parent}; the database has {size / 1024**2:.1f} MiB"
    if free < max(LEAST_FREE_BYTES, 2 * size):
        return CheckShown(
            name="disk", state="warning", text=text, remedy="make room: notices cannot be kept on a full disk"
        )
    return CheckShown(name="disk", state="ok", text=text)


def _server(running: bool, config: Config) -> CheckShown:
    if running:
        return CheckShown(name="server", state="ok", text=f"runs and listens at {config.hub.listen}")
    text = f"no server of this configuration listens at {config.hub.listen}"
    return CheckShown(name="server", state="warning", text=text, remedy="start it: storeweave serve")


async def _database(wired: Wired) -> CheckShown:
    """Written and read back, so that a read-only file or a full disk shows."""
    stamp = datetime.now(UTC).isoformat()
    await wired.store.put_value(_LAST_SEEN, stamp)
    if await wired.store.get_value(_LAST_SEEN) != stamp:
        return CheckShown(
            name="database", state="failed", text="a value written was not read back", remedy="restore a backup"
        )
    status = await wired.local.status()
    kind = "PostgreSQL" if wired.config.sqlite_path is None else str(wired.config.sqlite_path)
    return CheckShown(name="database", state="ok", text=f"{kind} can be written; {status.verdict}")


async def _hooks(port: HubPort, config: Config) -> Iterator[CheckShown]:
    if config.hub.public_url is None:
        return iter(())
    found: list[CheckShown] = []
    sources = {flow.source for flow in config.flows.values()}
    hooks = await port.hooks("list")
    for name in sorted(sources):
        mine = [hook for hook in hooks if hook.connection == name]
        ours = [hook for hook in mine if hook.state in {"active", "inactive"}]
        failed = next((hook for hook in mine if hook.state == "failed"), None)
        where = f"webhooks of {name}"
        remedy = f"storeweave hooks ensure {name}"
        if failed is not None:
            found.append(CheckShown(name=where, state="failed", text=failed.reason, remedy="check its credentials"))
        elif not ours:
            found.append(CheckShown(name=where, state="warning", text="none is ordered", remedy=remedy))
        elif any(hook.state == "inactive" for hook in ours):
            text = f"{sum(h.state == 'inactive' for h in ours)} of {len(ours)} are inactive"
            found.append(CheckShown(name=where, state="warning", text=text, remedy=remedy))
        else:
            found.append(CheckShown(name=where, state="ok", text=f"{len(ours)} are active"))
    return iter(found)
