"""What every command shares: options, output as text or JSON, progress, errors as exit codes, and whom to ask.

Results go to standard output, everything else to standard error, so that output can be piped.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer
from pydantic import BaseModel, TypeAdapter
from rich.console import Console

from storeweave.model.errors import BadRequestError, ConfigError, RefusedError, StoreweaveError, TransientError

if TYPE_CHECKING:
    from storeweave.app.config import Config
    from storeweave.app.hub_port import HubPort, Progress

T = TypeVar("T")
CONFIG_ENV: Final = "STOREWEAVE_CONFIG"
DEFAULT_CONFIG: Final = "storeweave.toml"
WIDEST: Final = 4000


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    FAILED = 1  # it could not be done, or the stores do not agree
    USAGE = 2  # a wrong argument or configuration
    PERSON = 3  # done as far as possible; the rest waits for a person
    LATER = 4  # not now: a vendor, the server or the database does not answer
    INTERRUPTED = 130


EXIT_CODES_HELP: Final = (
    "Exit codes: 0 done; 1 failed, or the stores do not agree; 2 wrong argument or configuration; "
    "3 something waits for a person; 4 not now, try again; 130 interrupted."
)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar=CONFIG_ENV, help="The configuration file.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
FlowOption = Annotated[str | None, typer.Option("--flow", "-f", help="Only this flow.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="The most to show.")]
AfterOption = Annotated[str | None, typer.Option("--after", help="Go on where the page before ended (its `next`).")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
CONFIG: Final = Path(DEFAULT_CONFIG)


class Stop(typer.Exit):
    """Ends a command with one of our codes."""

    def __init__(self, code: Exit) -> None:
        super().__init__(int(code))


def out() -> Console:
    """For results. As wide as needed when piped, so that no line is broken."""
    return Console(width=None if sys.stdout.isatty() else WIDEST, highlight=False)


def err() -> Console:
    """For everything else."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def show_json(value: BaseModel | Sequence[BaseModel] | object) -> None:
    """Print a result as JSON."""
    if isinstance(value, BaseModel):
        text = value.model_dump_json(indent=2)
    else:
        text = TypeAdapter(Any).dump_json(value, indent=2).decode()
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Tell people something that is no result."""
    err().print(text, style="dim", markup=False)


def fail(error: StoreweaveError, *, as_json: bool) -> Stop:
    """Show an error; the Stop to raise."""
    if as_json:
        show_json({"error": {"code": error.code, "message": str(error)}})
    console = err()
    console.print("error: ", style="bold red", end="")
    console.print(str(error), markup=False)
    return Stop(exit_code_of(error))


def exit_code_of(error: StoreweaveError) -> Exit:
    """What an error means for the shell."""
    if isinstance(error, ConfigError | BadRequestError):
        return Exit.USAGE
    if isinstance(error, TransientError):
        return Exit.LATER
    if isinstance(error, RefusedError) and error.code in {"unknown", "ambiguous"}:
        return Exit.USAGE
    return Exit.FAILED


def run(work: Callable[[], Coroutine[Any, Any, T]], *, as_json: bool = False, fast: bool = False) -> T:
    """Run a command's work: the third of the three doors where every exception is caught.

    ``fast``: on uvloop where there is one; it takes a moment to load.
    """
    try:
        with asyncio.Runner(loop_factory=_fast_loop() if fast else None) as runner:
            return runner.run(work())
    except StoreweaveError as error:
        raise fail(error, as_json=as_json) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Stop(Exit.INTERRUPTED) from None
    except (typer.Exit, typer.Abort):
        raise
    except ExceptionGroup as group:
        first = _first_of_ours(group)
        if first is None:
            raise bug(group, as_json=as_json) from None
        raise fail(first, as_json=as_json) from None
    except Exception as error:  # noqa: BLE001 - the command line's door: shown, with our exit code
        raise bug(error, as_json=as_json) from None


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _first_of_ours(group: BaseException) -> StoreweaveError | None:
    if isinstance(group, StoreweaveError):
        return group
    inner = group.exceptions if isinstance(group, BaseExceptionGroup) else ()
    return next((found for found in map(_first_of_ours, inner) if found is not None), None)


def bug(error: BaseException, *, as_json: bool) -> Stop:
    """Show our own mistake: the place without values; all of it with STOREWEAVE_TRACEBACK=1."""
    if os.environ.get("STOREWEAVE_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    message = f"a mistake of ours: {type(error).__name__}: {error}; STOREWEAVE_TRACEBACK=1 shows where"
    return fail(StoreweaveError(message, code="bug"), as_json=as_json)


def read_config(path: Path, *, as_json: bool, quiet: bool = True) -> Config:
    """The configuration; its faults end the command. Logs go to standard error from here on."""
    from storeweave.app.config import load_config
    from storeweave.app.logs import set_up_logs

    try:
        config = load_config(path)
    except ConfigError as error:
        raise fail(error, as_json=as_json) from None
    level = "error" if quiet and config.hub.log_level != "debug" else config.hub.log_level
    set_up_logs(level=level, form=config.hub.log_format, secrets=config.secrets)
    return config


@asynccontextmanager
async def hub_of(config: Config, *, direct: bool = False) -> AsyncIterator[HubPort]:
    """Whom to ask: the running server of this configuration, else this process itself on the same database."""
    from storeweave.app.config_model import split_listen
    from storeweave.app.identity import identity
    from storeweave.app.remote import server_at

    async with server_at(split_listen(config.hub.listen), identity(config), config.hub.api_token) as remote:
        if remote is not None and not direct:
            yield remote
            return
    from storeweave.app.wiring import wire

    async with wire(config) as wired:
        yield wired.local


def ask(path: Path, question: Callable[[HubPort], Awaitable[T]], *, as_json: bool) -> T:
    """Ask the hub one thing."""
    config = read_config(path, as_json=as_json)

    async def work() -> T:
        async with hub_of(config) as port:
            return await question(port)

    return run(work, as_json=as_json)


@contextmanager
def progress_shown(*, as_json: bool) -> Iterator[Progress]:
    """Long work shows how far it is, on standard error when that is a terminal; else one line per thing."""
    from storeweave.app.hub_port import no_progress

    if as_json:
        yield no_progress
        return
    console = err()
    if not console.is_terminal:
        yield _line_per_thing()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, of: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=of)
            bars.update(tasks[what], completed=done, total=of)

        yield tell


def _line_per_thing() -> Progress:
    told: set[str] = set()

    def tell(what: str, _done: int, _of: int | None) -> None:
        if what not in told:
            told.add(what)
            sys.stderr.write(what + "\n")

    return tell


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that is hard to take back. Without a terminal, --yes is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise fail(BadRequestError(f"{question} Without a terminal, say so with --yes"), as_json=False)
    if not typer.confirm(question, err=True):
        raise Stop(Exit.FAILED)


def loads(text: str) -> Any:
    """JSON of a file that a person gave."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadRequestError(f"this is not JSON: {error}") from error
