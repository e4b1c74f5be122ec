"""Counts what a twin was asked: by method, path template and status. Benchmarks and tests read it."""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple


class LoggedCall(NamedTuple):
    """One call as it was answered; status 0: it got no answer."""

    method: str
    template: str
    status: int
    is_read: bool
    at_s: float


class CallLog:
    """Counts since the last ``reset``, and the newest calls one by one."""

    def __init__(self, *, keep: int = 1000) -> None:
        self.newest: deque[LoggedCall] = deque(maxlen=keep)
        self.reads = 0
        self.writes = 0
        self.unmetered = 0  # images and the like
        self.by_route: Counter[str] = Counter()
        self.by_status: Counter[int] = Counter()

    def note(self, method: str, template: str, status: int, *, is_read: bool, at_s: float) -> None:
        if is_read:
            self.reads += 1
        else:
            self.writes += 1
        self.by_route[f"{method} {template}"] += 1
        self.by_status[status] += 1
        self.newest.append(LoggedCall(method, template, status, is_read, at_s))

    def reset(self) -> None:
        self.reads = self.writes = self.unmetered = 0
        self.by_route.clear()
        self.by_status.clear()
        self.newest.clear()

    def summary(self) -> dict[str, object]:
        """Everything counted, ready for JSON."""
        return {
            "reads": self.reads,
            "writes": self.writes,
            "unmetered": self.unmetered,
            "by_route": dict(sorted(self.by_route.items())),
            "by_status": {str(status): count for status, count in sorted(self.by_status.items())},
        }
