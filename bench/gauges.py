"""Instruments: quantiles, memory, processor time, and a description of the machine."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psycopg

SERVERS = ("postgresql://postgres@127.0.0.1:5432/postgres", "postgresql://127.0.0.1:5432/postgres")
_STATUS = Path("/proc/self/status")


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the values lie; 0 when there are none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


def middle(values: Sequence[float]) -> float:
    """The median of repeated runs."""
    return median(values) if values else 0.0


def load() -> float:
    """Load average of the last minute."""
    return os.getloadavg()[0]


def peak_mb() -> float:
    """The most memory that this process ever held resident."""
    return _status("VmHWM")


def resident_mb() -> float:
    """What this process holds now."""
    return _status("VmRSS")


def _status(name: str) -> float:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"{_STATUS} has no {name}")


def postgres_server() -> str | None:
    """The URL of a server where databases can be made; None when there is none."""
    given = os.environ.get("STOREWEAVE_POSTGRES_URL")
    for url in [given] if given else SERVERS:
        try:
            with psycopg.connect(url, connect_timeout=3):
                return url
        except psycopg.OperationalError:
            continue
    return None


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": _postgres_version(),
        "load average at start": f"{load():.1f}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _postgres_version() -> str:
    server = postgres_server()
    if server is None:
        return "none"
    with psycopg.connect(server) as connection:
        row = connection.execute("show server_version").fetchone()
    return str(row[0]).split()[0] if row else "unknown"
