"""What is checked of the configuration beyond its shape: the hub's own settings, secrets that stand in plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from storeweave.access.secrets import Secret
from storeweave.app.config_faults import Fault
from storeweave.app.config_model import HubTable
from storeweave.model.kinds import ConnectionName


def hub_faults(hub: HubTable) -> Iterator[Fault]:
    """What cannot work."""
    if hub.database.startswith("postgres://"):
        yield Fault("hub.database", "postgres:// is not a scheme that is understood", "write postgresql://...")
    elif not hub.database.startswith(("sqlite:///", "postgresql://")):
        remedy = "write sqlite:///storeweave.db or postgresql://user:password@host/name"
        yield Fault("hub.database", "this is not a database address", remedy)
    elif hub.role != "all" and hub.database.startswith("sqlite"):
        message = f"role {hub.role!r} needs a database that several processes share"
        yield Fault("hub.role", message, 'use a postgresql:// database, or role = "all"')
    if hub.public_url is not None and not hub.public_url.startswith(("https://", "http://")):
        yield Fault("hub.public_url", "this is not a web address", "write https:// and the host's name")


def hub_warnings(hub: HubTable) -> Iterator[Fault]:
    """What works, but not as well as it could."""
    if hub.public_url is None:
        message = "no public address is set: changes are found by polling, not by webhooks"
        yield Fault("hub.public_url", message, "set it to the https address under which vendors reach this program")
    elif hub.public_url.startswith("http://") and not hub.allow_loopback:
        message = "vendors send webhooks to https addresses only"
        yield Fault("hub.public_url", message, "put a proxy with a certificate in front")


def plain_secrets(data: Mapping[str, Any], settings: Mapping[ConnectionName, BaseModel]) -> Iterator[Fault]:
    """Secrets that stand in the file itself. ``data`` is the file before references were replaced."""
    tables = data.get("connections", {})
    for name, made in settings.items():
        for field, info in type(made).model_fields.items():
            if _holds_secret(info.annotation) and _is_plain(tables[name].get(field)):
                yield _warn(f"connections.{name}.{field}")
    if _is_plain(data.get("hub", {}).get("api_token")):
        yield _warn("hub.api_token")


def configured_secrets(hub: HubTable, settings: Mapping[ConnectionName, BaseModel]) -> Iterator[Secret]:
    """Every secret of the configuration, for redaction."""
    for made in settings.values():
        for field in type(made).model_fields:
            value = getattr(made, field)
            if isinstance(value, SecretStr):
                yield Secret(value.get_secret_value())
            elif isinstance(value, Secret):
                yield value
    if hub.api_token is not None:
        yield hub.api_token
    login, found, _ = hub.database.partition("://")[2].rpartition("@")
    if found and ":" in login:
        yield Secret(login.partition(":")[2])


def _holds_secret(annotation: Any) -> bool:
    text = str(annotation)
    return "SecretStr" in text or "access.secrets.Secret" in text


def _is_plain(written: Any) -> bool:
    return isinstance(written, str) and "${" not in written


def _warn(path: str) -> Fault:
    message = "a secret stands in the configuration in plain text"
    return Fault(path, message, "write ${env:NAME} or ${file:path} instead")
