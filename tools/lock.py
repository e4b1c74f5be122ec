"""Checks, without any network, that the lock files say what pyproject.toml asks for.

A lock is right when every requirement is pinned inside its floor, every pin carries hashes, both files pin the same
versions, and no file names a place to download from. Making the locks is left to `make lock`.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
RUNTIME_LOCK = "requirements.lock"
DEVELOPMENT_LOCK = "requirements-dev.lock"

_PLACE = re.compile(r"://|^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b| @ ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pin:
    """One locked version, and how many files of it are allowed in."""

    name: str
    version: str
    hashes: int


def read_requirements(pyproject: Mapping[str, object], *extras: str) -> list[Requirement]:
    """List the runtime requirements, and those of the named extras."""
    project = pyproject["project"]
    assert isinstance(project, dict)
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def read_pins(text: str) -> dict[str, Pin]:
    """Read the pins of one lock file, keyed by the canonical name."""
    pins: dict[str, Pin] = {}
    for entry in re.sub(r"\\\n", " ", text).splitlines():
        if not entry.strip() or entry.lstrip().startswith(("#", "-")):
            continue
        requirement = Requirement(entry.split(" --hash=", 1)[0].strip())
        name = canonicalize_name(requirement.name)
        version = str(requirement.specifier).removeprefix("==")
        pins[name] = Pin(name, version, entry.count(" --hash=sha256:"))
    return pins


def find_faults(lock: str, text: str, requirements: Iterable[Requirement]) -> list[str]:
    """Say everything that is wrong with one lock file; an empty list means that it is right."""
    pins = read_pins(text)
    faults = [f"{lock}: {pin.name} has no hash; run `make lock`" for pin in pins.values() if not pin.hashes]
    if place := _PLACE.search(text):
        line = text.count("\n", 0, place.start()) + 1
        faults.append(f"{lock}:{line}: names a place to download from; a lock names versions and hashes only")
    for requirement in requirements:
        pin = pins.get(canonicalize_name(requirement.name))
        if pin is None:
            faults.append(f"{lock}: {requirement.name} is missing; run `make lock`")
        elif not requirement.specifier.contains(pin.version, prereleases=True):
            faults.append(f"{lock}: {pin.name} {pin.version} is outside {requirement.specifier}; run `make lock`")
    return faults


def find_disagreements(runtime: Mapping[str, Pin], development: Mapping[str, Pin]) -> list[str]:
    """Say where the tests would run on other versions than an installation does."""
    return [
        f"{name}: {pin.version} at run time, {development[name].version if name in development else 'nothing'} in tests"
        for name, pin in runtime.items()
        if name not in development or development[name].version != pin.version
    ]


def check(root: Path = ROOT) -> list[str]:
    """Check both locks of the project at ``root``."""
    pyproject = tomllib.loads((root / "pyproject.toml").read_text())
    build = [Requirement(line) for line in pyproject["build-system"]["requires"]]
    runtime, development = ((root / name).read_text() for name in (RUNTIME_LOCK, DEVELOPMENT_LOCK))
    return [
        *find_faults(RUNTIME_LOCK, runtime, read_requirements(pyproject, "postgres")),
        *find_faults(DEVELOPMENT_LOCK, development, [*read_requirements(pyproject, "postgres", "dev"), *build]),
        *find_disagreements(read_pins(runtime), read_pins(development)),
    ]


def main() -> int:
    """Print the faults; 1 when there are any."""
    faults = check()
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
