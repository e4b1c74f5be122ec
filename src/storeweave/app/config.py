"""Reading ``storeweave.toml``: checked whole, every fault listed with its path and remedy, secrets by reference.

The shape of the file is in ``config_model``, how faults are worded in ``config_faults``; flows leave here as the
engine's ``FlowSpec``. Connectors' settings are checked by their own classes, which are imported only when used.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

import storeweave.connectors
from storeweave.access.secrets import Secret
from storeweave.app.config_faults import Fault, InvalidConfigError, from_pydantic, nearest
from storeweave.app.config_flows import flow_faults, flow_spec
from storeweave.app.config_hub import configured_secrets, hub_faults, hub_warnings, plain_secrets
from storeweave.app.config_model import ConfigFile, ConnectionTable, FlowTable, HubTable
from storeweave.app.references import References
from storeweave.model.flow import FlowSpec
from storeweave.model.kinds import ConnectionName, FlowName

T = TypeVar("T", bound=BaseModel)
DEFAULT_NAME: Final = "storeweave.toml"
LARGEST_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """One connection as configured."""

    name: ConnectionName
    connector: str
    settings: BaseModel
    read_only: bool
    calls_per_s: float | None

    @property
    def has_channel(self) -> bool:
        """True when the source's listings on a channel are known."""
        return getattr(self.settings, "channel_id", None) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration that can work."""

    path: Path
    hub: HubTable
    connections: Mapping[ConnectionName, Connected]
    flows: Mapping[FlowName, FlowSpec]
    flow_tables: Mapping[FlowName, FlowTable]  # periods and whatever else is not the reconciler's
    warnings: tuple[Fault, ...]
    secrets: tuple[Secret, ...]  # for redaction

    @property
    def database_url(self) -> str:
        """``hub.database`` with a relative SQLite path made absolute."""
        prefix = "sqlite:///"
        if not self.hub.database.startswith(prefix):
            return self.hub.database
        return prefix + str(self.path.parent.joinpath(self.hub.database.removeprefix(prefix)).absolute())

    @property
    def sqlite_path(self) -> Path | None:
        """The database file; None on PostgreSQL."""
        url = self.database_url
        return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


def load_config(path: Path, env: Mapping[str, str] | None = None) -> Config:
    """Read and check a file. Raises InvalidConfigError, which lists everything that is wrong."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise InvalidConfigError(
            path, [Fault("", f"there is no {path}", "write one with `storeweave init`, or name another with --config")]
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidConfigError(
            path, [Fault("", f"{path} cannot be read: {reason}", "give the path of a readable file")]
        ) from error
    return read_config(raw, path, env)


def read_config(raw: bytes, path: Path, env: Mapping[str, str] | None = None) -> Config:
    """Check the bytes of a file that lies (or would lie) at ``path``. Raises InvalidConfigError."""
    data = _parse(raw, path)
    references = References(path.parent, os.environ if env is None else env, _env_file(data))
    resolved = references.resolve(data)
    faults: list[Fault] = []
    file = _shaped(resolved, faults)
    connections = dict(_connections(file, faults))
    faults += hub_faults(file.hub)
    names = resolved.get("connections")
    faults += flow_faults(
        file,
        set(names) if isinstance(names, dict) else set(),
        {name: made.has_channel for name, made in connections.items()},
    )
    if references.faults or faults:
        # A reference that could not be replaced fails its key's own check, too; that says nothing new.
        known = {fault.path for fault in references.faults}
        raise InvalidConfigError(path, [*references.faults, *(f for f in faults if f.path not in known)])
    flows = {
        FlowName(name): flow_spec(
            name, table, file.hub, has_channel=connections[ConnectionName(table.source)].has_channel
        )
        for name, table in file.flows.items()
    }
    settings = {name: made.settings for name, made in connections.items()}
    return Config(
        path=path,
        hub=file.hub,
        connections=connections,
        flows=flows,
        flow_tables={FlowName(name): table for name, table in file.flows.items()},
        warnings=(*hub_warnings(file.hub), *references.warnings, *plain_secrets(data, settings)),
        secrets=tuple(configured_secrets(file.hub, settings)),
    )


def _shaped(data: Mapping[str, Any], faults: list[Fault]) -> ConfigFile:
    """The file as tables. With faults: those of its tables that are right, so that the rest can be checked, too."""
    try:
        return ConfigFile.model_validate(data)
    except ValidationError as error:
        faults += from_pydantic(error, ConfigFile)
    return ConfigFile.model_construct(
        hub=next(_valid(HubTable, {"hub": data.get("hub", {})}), ("", HubTable()))[1],
        connections=dict(_valid(ConnectionTable, data.get("connections"))),
        flows=dict(_valid(FlowTable, data.get("flows"))),
    )


def _valid(table: type[T], data: Any) -> Iterator[tuple[str, T]]:
    for name, values in data.items() if isinstance(data, dict) else ():
        try:
            yield name, table.model_validate(values)
        except ValidationError:
            continue  # its faults are known from the whole file


def connector_names() -> list[str]:
    """Connectors that can be configured: those with a ``settings`` module."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(storeweave.connectors.__path__)
        if importlib.util.find_spec(f"storeweave.connectors.{module.name}.settings") is not None
    )


def settings_class(connector: str) -> type[BaseModel]:
    """A connector's settings class: ``Settings``, or the one class there whose name ends so. Raises LookupError."""
    if connector not in connector_names():
        raise LookupError(connector)
    module = importlib.import_module(f"storeweave.connectors.{connector}.settings")
    named = getattr(module, "Settings", None)
    found = (
        [named]
        if named is not None
        else [
            value
            for name, value in vars(module).items()
            if name.endswith("Settings") and isinstance(value, type) and value.__module__ == module.__name__
        ]
    )
    if len(found) != 1 or not issubclass(found[0], BaseModel):
        raise LookupError(connector)
    return found[0]


def _parse(raw: bytes, path: Path) -> dict[str, Any]:
    if len(raw) > LARGEST_BYTES:
        raise InvalidConfigError(path, [Fault("", "the file is larger than 4 MiB", "give the path of a configuration")])
    try:
        return tomllib.loads(raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidConfigError(
            path, [Fault("", f"line {line} is not UTF-8 text", "save the file as UTF-8")]
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError, ArithmeticError, ValueError) as error:
        raise InvalidConfigError(
            path, [Fault("", f"this is not TOML: {error}", "correct that place; texts stand in quotes")]
        ) from None


def _env_file(data: Mapping[str, Any]) -> str | None:
    hub = data.get("hub")
    name = hub.get("env_file") if isinstance(hub, dict) else None
    return name if isinstance(name, str) else None


def _connections(file: ConfigFile, faults: list[Fault]) -> Iterator[tuple[ConnectionName, Connected]]:
    for name, table in file.connections.items():
        path = f"connections.{name}"
        try:
            wanted = settings_class(table.connector)
        except LookupError:
            names = connector_names()
            message = f"there is no connector {table.connector!r}{nearest(table.connector, names)}"
            faults.append(Fault(f"{path}.connector", message, f"write one of: {', '.join(names)}"))
            continue
        try:
            settings = wanted.model_validate(table.settings)
        except ValidationError as error:
            ours = tuple(ConnectionTable.model_fields)
            faults += from_pydantic(error, wanted, prefix=path, also=ours)
            continue
        yield (
            ConnectionName(name),
            Connected(
                name=ConnectionName(name),
                connector=table.connector,
                settings=settings,
                read_only=table.read_only,
                calls_per_s=table.calls_per_s,
            ),
        )
