"""How the demo is shown: what a view is told, and the plain one, for pipes, logs and small terminals."""

from __future__ import annotations

from typing import Protocol, TextIO

import msgspec

from storeweave.app.demo.report import Report, Row
from storeweave.app.demo.steps import Scene, Step, counted


class Loading(msgspec.Struct, frozen=True, kw_only=True):
    """The first load, now. Counts are records of all kinds; ``products`` only those."""

    total: int
    read: int = 0
    planned: int = 0
    written: int = 0
    products: int = 0
    elapsed_s: float = 0.0
    reads_a: int = 0
    reads_b: int = 0
    writes_b: int = 0
    left_a: int | None = None
    left_b: int | None = None
    quota: int | None = None
    done: bool = False

    @property
    def products_per_s(self) -> float:
        return self.products / self.elapsed_s if self.elapsed_s > 0 else 0.0


class View(Protocol):
    """Told in this order: opening, loading (often), chapter, then begins and ended for each step, and report."""

    def opening(self, products: int) -> None: ...

    def loading(self, now: Loading) -> None: ...

    def chapter(self, title: str) -> None: ...

    def begins(self, scene: Scene) -> None: ...

    def ended(self, step: Step) -> None: ...

    def says(self, text: str) -> None: ...

    def report(self, report: Report) -> None: ...

    def close(self) -> None: ...


CHAPTERS = ("First load", "A minute of life", "Agreement")
TOLD_EVERY_S = 2.0


class PlainView:
    """Lines of text, one per event, never overwritten."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told_at = 0.0

    def _line(self, text: str = "") -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def opening(self, products: int) -> None:
        self._line(f"Storeweave demo: store A with {products} products, an empty store B, one hub between them.")
        self._line("Twin stores in this process: no account, no server, no network.")

    def loading(self, now: Loading) -> None:
        if not now.done and now.elapsed_s - self._told_at < TOLD_EVERY_S:
            return
        self._told_at = now.elapsed_s
        self._line(
            f"  {now.elapsed_s:5.1f} s  read {now.read}, planned {now.planned}, written {now.written} of {now.total}; "
            f"{now.products_per_s:.0f} products/s; calls A {now.reads_a} reads, B {now.reads_b} reads "
            f"{now.writes_b} writes; {budget(now)}"
        )

    def chapter(self, title: str) -> None:
        self._line()
        self._line(title)

    def begins(self, scene: Scene) -> None:
        """Lines are written when a step is over."""

    def ended(self, step: Step) -> None:
        mark = "ok    " if step.ok else "FAILED"
        took = "" if step.latency_ms is None else f"{step.latency_ms:.0f} ms, "
        self._line(
            f"{mark} {step.title}: {step.detail} | {step.notice or 'not noticed'} | {step.written or 'no write'} "
            f"({took}{step.calls})"
        )
        if step.note:
            self._line(f"         {step.note}")

    def says(self, text: str) -> None:
        self._line(text)

    def report(self, report: Report) -> None:
        self._line(f"  {'':<12}{'store A':>9}{'store B':>9}{'differ':>9}{'hub: agree':>12}")
        for row in report.rows:
            self._line(f"  {row.thing:<12}{row.in_a:>9}{row.in_b:>9}{row.differ:>9}{hub_figure(row):>12}")
        for text in facts(report):
            self._line(f"  {text}")
        for difference in report.differences:
            self._line(f"  differs: {difference}")
        self._line()
        self._line(verdict(report))

    def close(self) -> None:
        self._stream.flush()


def hub_figure(row: Row) -> str:
    """What the hub's own pass says of a row."""
    return "" if row.hub_agrees is None else str(row.hub_agrees)


def budget(now: Loading) -> str:
    """How many calls the vendors' windows have left."""
    if now.left_a is None or now.left_b is None:
        return "budget not known yet"
    return f"budget left A {now.left_a}, B {now.left_b} of {now.quota}"


def facts(report: Report) -> list[str]:
    """Everything of a report that is not the table, a sentence each."""
    a, b = report.calls["a"], report.calls["b"]
    told = [
        f"the hub's own verify pass: {report.hub_says}",
        f"hidden in B, because A deleted them: {counted(report.hidden, 'product')}",
        f"calls: A {counted(a.reads, 'read')}; B {counted(b.reads, 'read')}, {counted(b.writes, 'write')}",
        f"answers that we were too fast (429): {a.refused + b.refused}",
        f"created twice: {len(report.made_twice)}; parked: {len(report.parked)}; held: {len(report.held)}",
    ]
    if report.latency.p50_ms is not None and report.latency.p99_ms is not None:
        told.append(
            f"edit in A until visible in B: p50 {report.latency.p50_ms:.0f} ms, p99 {report.latency.p99_ms:.0f} ms "
            f"({report.latency.count} edits)"
        )
    told += [f"parked: {text}" for text in report.parked]
    told += [f"held: {text}" for text in report.held]
    told += [f"made twice: {text}" for text in report.made_twice]
    return told


def verdict(report: Report) -> str:
    """The last line."""
    steps = f"; steps that failed: {', '.join(report.failed_steps)}" if report.failed_steps else ""
    if report.agrees:
        return f"The stores agree, 100 %{steps}"
    share = min(report.agreement * 100, 99.9)  # never 100 % where the hub itself sees a difference
    return f"The stores do NOT agree: {share:.1f} % of the records are equal{steps}"
