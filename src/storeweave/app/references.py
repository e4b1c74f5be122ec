"""References in the configuration: ``${env:NAME}`` and ``${file:path}``, anywhere in a text; ``$${`` means ``${``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from storeweave.app.config_faults import Fault, nearest
from storeweave.app.env_file import read_env_file

_REFERENCE: Final = re.compile(r"\$(\$\{)|\$\{([^}]*)\}|\$\{")
_LARGEST_FILE_BYTES: Final = 64 * 1024
_LATER: Final = {"vault": "HashiCorp Vault", "aws": "AWS Secrets Manager", "store": "the encrypted store"}


class References:
    """Replaces references in parsed TOML. Faults are collected; values never stand in one."""

    def __init__(self, folder: Path, env: Mapping[str, str], env_file: str | None) -> None:
        self._folder = folder
        self._env = env
        self._more: Mapping[str, str] = {}
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        if env_file is not None:
            self._read_env_file(folder / env_file)

    def resolve(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The same data with every reference replaced; one that cannot be is left as it stands, with a fault."""
        return {key: self._value(value, key) for key, value in data.items()}

    def _read_env_file(self, path: Path) -> None:
        read = read_env_file(path)
        self._more = read.values
        self.faults += [
            Fault("hub.env_file", f"{path.name}: {'' if not f.line else f'line {f.line}: '}{f.message}", f.remedy)
            for f in read.faults
        ]

    def _value(self, value: Any, path: str) -> Any:
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, dict):
            return {key: self._value(inner, f"{path}.{key}") for key, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner, f"{path}[{at}]") for at, inner in enumerate(value)]
        return value

    def _text(self, text: str, path: str) -> str:
        if "${" not in text:
            return text
        return _REFERENCE.sub(lambda found: self._replacement(found, path), text)

    def _replacement(self, found: re.Match[str], path: str) -> str:
        if found[1]:
            return "${"
        if found[2] is None:
            return self._fault(path, found, "a reference has no closing }", "write ${env:NAME} or ${file:path}")
        scheme, colon, name = found[2].partition(":")
        if scheme == "env" and name:
            return self._from_env(found, name, path)
        if scheme == "file" and name:
            return self._from_file(found, name, path)
        if scheme in _LATER and colon:
            return self._fault(
                path, found, f"secrets from {_LATER[scheme]} are not supported by this version",
                "use ${env:NAME} or ${file:path}",
            )  # fmt: skip
        return self._fault(
            path, found, f"{found[0]} is not a reference that is understood",
            "write ${env:NAME} or ${file:path}; for a plain ${ write $${",
        )  # fmt: skip

    def _from_env(self, found: re.Match[str], name: str, path: str) -> str:
        value = self._env.get(name) or self._more.get(name)
        if value:
            return value
        state = "is empty" if name in self._env or name in self._more else "is not set"
        close = "" if state == "is empty" else nearest(name, [*self._more, *self._env])
        return self._fault(
            path,
            found,
            f"the environment variable {name} {state}{close}",
            f"export {name}=..., or name a file of such lines in hub.env_file",
        )

    def _from_file(self, found: re.Match[str], name: str, path: str) -> str:
        place = self._folder / name
        try:
            with place.open("rb") as file:
                raw = file.read(_LARGEST_FILE_BYTES + 1)
            if len(raw) > _LARGEST_FILE_BYTES:
                return self._fault(
                    path, found, f"the file {place} is larger than 64 KiB", "name a file that holds only the secret"
                )
            value = raw.decode("utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            return self._fault(
                path, found, f"the file {place} cannot be read: {reason}", "create it, readable for this user only"
            )
        if not value:
            return self._fault(path, found, f"the file {place} is empty", "write the secret into it")
        if place.stat().st_mode & 0o077:
            self.warnings.append(Fault(path, f"others may read {place}", f"chmod 600 {place}"))
        return value

    def _fault(self, path: str, found: re.Match[str], message: str, remedy: str) -> str:
        self.faults.append(Fault(path, message, remedy))
        return found[0]
