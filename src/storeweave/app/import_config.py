"""Turning another program's settings into ``storeweave.toml``, and saying for each of them what became of it.

Read here: the ``.env`` of the one-way BigCommerce synchroniser with a MongoDB queue. Secrets never enter the new file;
it refers to them where they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from storeweave.app.config_faults import nearest
from storeweave.app.env_file import Entry, EnvFile, Fault, read_env_file
from storeweave.app.toml_text import Value, toml_table
from storeweave.model.errors import ConfigError

SOURCE, DESTINATION, FLOW = "store-a", "store-b", "main"
_HASH: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STORE_URL: Final = re.compile(r"(?:https?://)?store-([A-Za-z0-9]+)\.mybigcommerce\.com.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Became:
    """What became of one setting. ``now`` is a path in the new file, or empty."""

    name: str
    now: str
    words: str


@dataclass(slots=True)
class _New:
    """The new file while it grows."""

    hub: dict[str, Value] = field(default_factory=dict)
    source: dict[str, Value] = field(default_factory=dict)
    destination: dict[str, Value] = field(default_factory=dict)
    flow: dict[str, Value] = field(default_factory=dict)

    def table(self, name: str) -> dict[str, Value]:
        return {"STORE_A": self.source, "STORE_B": self.destination}[name]


@dataclass(frozen=True, slots=True)
class Imported:
    """The new file's text, and the fate of every setting of the old one."""

    toml: str
    became: tuple[Became, ...]


class ImportFaultsError(ConfigError):
    """The old file cannot be used as it is; every fault is listed."""

    def __init__(self, path: Path, faults: tuple[Fault, ...]) -> None:
        self.path, self.faults = path, faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"{path}: {count}", *(f"  {fault}" for fault in faults)]))


def import_env(path: Path, *, beside: Path) -> Imported:
    """Read a ``.env``; ``beside`` is the folder in which the new file will lie. Raises ImportFaultsError."""
    return convert(read_env_file(path), path, beside=beside)


def convert(old: EnvFile, path: Path, *, beside: Path) -> Imported:
    """The same for a file that was read already."""
    faults = list(old.faults)
    new, became = _New(), list[Became]()
    values = {entry.name: entry for entry in old.entries}
    if not any(fault.line == 0 for fault in faults):
        for name, read in _READERS.items():
            entry = values.get(name)
            if entry is not None and entry.value.strip():
                try:
                    became.append(read(entry, new))
                except ValueError as error:
                    faults.append(Fault(entry.line, f"{name} {error.args[0]}", error.args[1]))
            elif name in _REQUIRED:
                faults.append(_missing(name, entry, values))
            elif entry is not None:
                became.append(Became(name, "", "is empty: left out"))
    if faults:
        raise ImportFaultsError(path, tuple(sorted(faults, key=lambda fault: fault.line)))
    became += [_unknown(entry) for entry in old.entries if entry.name not in _READERS]
    new.hub["env_file"] = os.path.relpath(path, beside)
    return Imported(_text(new), tuple(became))


def _missing(name: str, entry: Entry | None, values: Mapping[str, Entry]) -> Fault:
    if entry is not None:
        return Fault(entry.line, f"{name} is empty", "write its value behind the =")
    close = nearest(name, [known for known in values if known not in _READERS])
    return Fault(0, f"{name} is missing{close}", f"add a line {name}=... ({_REQUIRED[name]})")


def _unknown(entry: Entry) -> Became:
    return Became(entry.name, "", f"is no setting of that program: left out{nearest(entry.name, _READERS)}")


# --- one reader for each setting: it writes into the new file and says what it did ------------------------------------


def _app_url(entry: Entry, new: _New) -> Became:
    url = entry.value.strip().rstrip("/")
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        raise ValueError("is not a web address", "write https:// and the host's name")
    new.hub["public_url"] = url
    words = "the address under which BigCommerce reaches us; webhooks are moved to it at start"
    if url.startswith("http://"):
        words += " (BigCommerce sends to https only: put a proxy or tunnel in front)"
    return Became(entry.name, "hub.public_url", words)


def _port(entry: Entry, new: _New) -> Became:
    port = _whole(entry, least=1, most=65535)
    new.hub["listen"] = f"127.0.0.1:{port}"
    return Became(entry.name, "hub.listen", "for a proxy or tunnel on this machine; 0.0.0.0 instead opens it to others")


def _database(entry: Entry, new: _New) -> Became:
    new.hub["database"] = "sqlite:///storeweave.db"
    return Became(entry.name, "", "not needed: notices and their state are kept in our own database (hub.database)")


def _sync_period(entry: Entry, new: _New) -> Became:
    new.flow["poll_period_s"] = max(1, round(_number(entry)))
    words = "notices are carried out at once; this is how often we ask for what no webhook told"
    return Became(entry.name, f"flows.{FLOW}.poll_period_s", words)


def _clean_period(entry: Entry, new: _New) -> Became:
    new.hub["journal_retention_hours"] = _number(entry)
    words = "notices that were worked off are removed after that; longer keeps more for `explain`"
    return Became(entry.name, "hub.journal_retention_hours", words)


def _client_id(entry: Entry, new: _New) -> Became:
    store = entry.name.removesuffix("_CLIENT_ID")
    new.table(store)["client_id"] = entry.value.strip()
    return Became(entry.name, f"{_place(store)}.client_id", "kept for people; the API asks for the token only")


def _access_token(entry: Entry, new: _New) -> Became:
    store = entry.name.removesuffix("_ACCESS_TOKEN")
    new.table(store)["access_token"] = f"${{env:{entry.name}}}"
    return Became(entry.name, f"{_place(store)}.access_token", "stays where it is: the new file refers to it")


def _hash(entry: Entry, new: _New) -> Became:
    store, value = entry.name.removesuffix("_HASH"), entry.value.strip()
    if address := _STORE_URL.fullmatch(value):
        value = address[1]
    value = value.removeprefix("store-")
    if not _HASH.fullmatch(value):
        raise ValueError("is not a store hash", "write the part after store- in https://store-HASH.mybigcommerce.com")
    if new.table("STORE_A").get("store_hash") == value:
        raise ValueError("is the same store as STORE_A_HASH", "source and destination must be two stores")
    new.table(store)["store_hash"] = value
    return Became(entry.name, f"{_place(store)}.store_hash", "the store")


def _channel(entry: Entry, new: _New) -> Became:
    new.source["channel_id"] = _whole(entry, least=1, most=2**31)
    words = "availability at store B follows the listing; listing changes are found without a product update"
    return Became(entry.name, f"connections.{SOURCE}.channel_id", words)


_READERS: Final[Mapping[str, Callable[[Entry, _New], Became]]] = {
    "APP_URL": _app_url,
    "PORT": _port,
    "MONGODB_URI": _database,
    "SYNC_PERIOD_IN_SECS": _sync_period,
    "CLEAN_PERIOD_IN_HOURS": _clean_period,
    "STORE_A_CLIENT_ID": _client_id,
    "STORE_A_ACCESS_TOKEN": _access_token,
    "STORE_A_HASH": _hash,
    "STORE_B_CLIENT_ID": _client_id,
    "STORE_B_ACCESS_TOKEN": _access_token,
    "STORE_B_HASH": _hash,
    "STORE_B_CHANNEL_ON_STORE_A": _channel,
}
_REQUIRED: Final = {
    "STORE_A_ACCESS_TOKEN": "from the API account of store A",
    "STORE_A_HASH": "the part after store- in the address of store A",
    "STORE_B_ACCESS_TOKEN": "from the API account of store B",
    "STORE_B_HASH": "the part after store- in the address of store B",
}


def _place(store: str) -> str:
    return f"connections.{SOURCE if store == 'STORE_A' else DESTINATION}"


def _number(entry: Entry) -> float:
    text = entry.value.strip()
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text) or float(text) <= 0:
        raise ValueError("is not a number above 0", "write digits only, such as 15")
    return float(text)


def _whole(entry: Entry, *, least: int, most: int) -> int:
    text = entry.value.strip()
    if not re.fullmatch(r"[0-9]{1,10}", text) or not least <= int(text) <= most:
        raise ValueError(f"is not a whole number from {least} to {most}", "write digits only")
    return int(text)


def _text(new: _New) -> str:
    connector: dict[str, Value] = {"connector": "bigcommerce"}
    flow: dict[str, Value] = {"source": SOURCE, "destination": DESTINATION, "kinds": ["category", "brand", "product"]}
    return "\n".join(
        [
            "# Made by `storeweave import-config`. Try it with `storeweave check`, then look at `storeweave plan`.\n",
            toml_table("hub", new.hub),
            toml_table(f"connections.{SOURCE}", connector | new.source),
            toml_table(f"connections.{DESTINATION}", connector | new.destination),
            toml_table(f"flows.{FLOW}", flow | new.flow),
        ]
    )
