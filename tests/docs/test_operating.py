"""What the operating guide and the page for movers say about state and settings is so."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

from storeweave.app import import_config
from storeweave.app.config_model import HubTable
from storeweave.model.kinds import ConnectionName, Key, Kind
from storeweave.model.records import Cause, Notice
from storeweave.model.state import Acceptance
from storeweave.storage.store import open_store
from tests.docs.pages import DOCS, blocks_of
from tests.docs.shell import environment

GUIDE = DOCS / "operating.md"


async def test_a_backup_made_while_the_program_runs_can_be_opened_and_has_everything(tmp_path: Path) -> None:
    (command,) = [block for block in blocks_of(GUIDE) if block.language == "sh" and "backup" in block.text]
    store = open_store(f"sqlite:///{tmp_path / 'storeweave.db'}", exclusive=True)
    notice = Notice(connection=ConnectionName("a"), kind=Kind.PRODUCT, key=Key("1"), cause=Cause.WEBHOOK)
    try:
        await store.accept([Acceptance(notice=notice, received_at=datetime.now(UTC), marks=())])
        made = await asyncio.create_subprocess_exec("bash", "-euc", command.text, cwd=tmp_path, env=environment())
        assert await made.wait() == 0
    finally:
        await store.close()
    backup = open_store(f"sqlite:///{tmp_path / 'backup.db'}", exclusive=True)
    try:
        assert [row["key"] for row in await backup.journal_tail(limit=5)] == ["1"]
    finally:
        await backup.close()


def test_retention_is_told_as_it_is() -> None:
    told = re.findall(r"^\| `hub\.(\w+)` \| (\d+) \|", GUIDE.read_text(), re.MULTILINE)
    assert told
    for name, value in told:
        assert HubTable.model_fields[name].default == float(value)


def test_movers_are_told_what_becomes_of_every_key() -> None:
    page = (DOCS / "migrating-from-the-script.md").read_text()
    assert [name for name in import_config._READERS if f"`{name}`" not in page] == []
