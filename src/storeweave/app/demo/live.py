"""The live view: bars while the first load runs, one line per step as it happens, the report as a table."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from storeweave.app.demo.report import Report
from storeweave.app.demo.steps import Scene, Step
from storeweave.app.demo.view import CHAPTERS, Loading, facts, hub_figure, verdict

FRAMES_PER_S = 12
ROOMY = 110


def can_be_live(console: Console | None = None) -> bool:
    """Whether stdout is a terminal on which lines can be overwritten."""
    console = console or Console()
    return console.is_terminal and not console.is_dumb_terminal


class LiveView:
    """A View on a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._live: Live | None = None

    def opening(self, products: int) -> None:
        head = Table.grid(expand=True)
        head.add_column()
        head.add_column(justify="right")
        head.add_row(
            Text.assemble(("storeweave", "bold cyan"), " demo"),
            Text("no account · no server · no network", style="dim"),
        )
        way = Text.assemble(
            ("store A", "bold"),
            f"  {products} products  ",
            ("── webhook ─▶ ", "cyan"),
            ("hub", "bold"),
            (" ── fewest writes ─▶ ", "cyan"),
            ("store B", "bold"),
            "  empty",
        )
        self._console.print()
        self._console.print(Panel(Group(head, way), border_style="cyan", padding=(0, 1)))

    def chapter(self, title: str) -> None:
        self._rest()
        number = CHAPTERS.index(title) + 1
        self._console.print()
        self._console.print(Text.assemble((f" {number} ", "bold black on cyan"), f" {title}", style="bold"))
        if title == CHAPTERS[1]:
            self._console.print(self._row("", "in store A", "learned by", "written in B", "ms", "w/r", style="dim"))

    def loading(self, now: Loading) -> None:
        self._show(_load_shown(now))
        if now.done:
            self._rest(keep=True)

    def begins(self, scene: Scene) -> None:
        waiting = Text.assemble((scene.title, "bold"), " · ", (scene.detail, "dim"), overflow="ellipsis", no_wrap=True)
        self._show(Spinner("dots", waiting, style="cyan"))

    def ended(self, step: Step) -> None:
        self._rest()
        learned = f"webhook{_times(step.webhooks)}" if step.by_webhook and not self._is_roomy else step.notice
        mark = Text("✓", style="green") if step.ok else Text("✗", style="bold red")
        self._console.print(
            self._row(
                mark,
                Text.assemble((step.title, "bold" if step.ok else "bold red"), " · ", step.detail),
                Text(learned, style="cyan"),
                Text(step.written or "nothing", style="" if step.written else "dim"),
                Text("" if step.latency_ms is None else f"{step.latency_ms:.0f}"),
                f"{step.calls.writes_b}/{step.calls.reads}",
            )
        )
        if step.note:
            style = "dim" if step.ok else "red"
            self._console.print(Padding(Text(f"└ {step.note}", style=style), (0, 0, 0, 3)))

    def says(self, text: str) -> None:
        self._rest()
        self._console.print(Text(text), soft_wrap=True)

    def report(self, report: Report) -> None:
        self._rest()
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("")
        for name in ("store A", "store B", "differ", "hub: agree"):
            table.add_column(name, justify="right")
        for row in report.rows:
            differ = Text(str(row.differ), style="bold red" if row.differ else "green")
            table.add_row(row.thing, f"{row.in_a:,}", f"{row.in_b:,}", differ, hub_figure(row))
        told = [Text(f"· {text}", style="dim") for text in facts(report)]
        told += [Text(f"differs: {text}", style="red") for text in report.differences]
        good = report.agrees and not report.failed_steps
        last = Text(verdict(report), style="bold green" if good else "bold red")
        body = Group(table, Text(), *told, Text(), last)
        self._console.print(Panel(body, border_style="green" if good else "red", padding=(0, 1)))

    def close(self) -> None:
        self._rest()

    @property
    def _is_roomy(self) -> bool:
        return self._console.width >= ROOMY

    def _row(self, *cells: RenderableType, style: str = "") -> Table:
        roomy = self._is_roomy
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=1)
        row.add_column(ratio=1)
        row.add_column(width=24 if roomy else 11)
        row.add_column(width=30 if roomy else 15)
        row.add_column(width=5, justify="right")
        row.add_column(width=5, justify="right")
        row.add_row(*cells, style=style)
        return row

    def _show(self, what: RenderableType) -> None:
        if self._live is None:
            self._live = Live(console=self._console, refresh_per_second=FRAMES_PER_S, transient=True)
            self._live.start()
        self._live.update(what)

    def _rest(self, *, keep: bool = False) -> None:
        """End what is overwritten; ``keep``: its last state stays on the screen."""
        if self._live is not None:
            self._live.transient = not keep
            self._live.stop()
            self._live = None


def _times(count: int) -> str:
    return "" if count == 1 else f" ×{count}"


def _load_shown(now: Loading) -> RenderableType:
    bars = Table.grid(padding=(0, 1), expand=True)
    bars.add_column(width=1)
    bars.add_column(width=13)
    bars.add_column(ratio=1)
    bars.add_column(width=11, justify="right")
    for name, count in (("read from A", now.read), ("planned", now.planned), ("written to B", now.written)):
        done = count >= now.total
        bar = ProgressBar(total=now.total, completed=count, complete_style="green" if done else "cyan")
        bars.add_row("", name, bar, f"{count}/{now.total}")
    spent = Text.assemble(
        f"  {now.elapsed_s:.1f} s · ",
        (f"{now.products_per_s:.0f} products/s", "bold"),
        f" · calls: A {now.reads_a} reads · B {now.reads_b} reads, {now.writes_b} writes",
        style="dim",
    )
    left = "not known yet" if now.left_b is None else f"A {now.left_a:,} · B {now.left_b:,} of {now.quota:,}"
    return Group(bars, spent, Text(f"  budget left in this window: {left}", style="dim"))
