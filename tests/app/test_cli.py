"""The command line without a vendor: usage, configuration, exit codes, output for people and for programs."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from storeweave import __version__
from storeweave.app.cli.frame import Exit, exit_code_of
from storeweave.app.cli.looking import parse_since
from storeweave.app.cli.program import app
from storeweave.model.errors import (
    BadRequestError,
    ConfigError,
    LaneBlockedError,
    RateLimitedError,
    RefusedError,
    StoreweaveError,
)

COMMANDS = {
    "init", "check", "plan", "apply", "serve", "status", "sync", "explain", "history", "undo", "retry", "parked",
    "brakes", "hooks", "pause", "resume", "doctor", "import-config", "demo", "twin", "pair", "link", "unlink",
    "unmatched", "purge", "version", "items", "runs",
}  # fmt: skip
NO_STORES = '[hub]\nlisten = "127.0.0.1:1"\n'


def storeweave(*arguments: str, config: Path | None = None) -> Result:
    env = {"STOREWEAVE_CONFIG": str(config)} if config else {"STOREWEAVE_CONFIG": ""}
    return CliRunner().invoke(app, list(arguments), env=env)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A configuration without connections and flows."""
    path = tmp_path / "storeweave.toml"
    path.write_text(NO_STORES)
    return path


def test_every_command_is_there_with_a_sentence_of_help() -> None:
    shown = storeweave("--help")
    assert shown.exit_code == 0
    missing = [name for name in COMMANDS if name not in shown.output]
    assert missing == []
    assert "Exit codes" in shown.output


@pytest.mark.parametrize("command", sorted(COMMANDS - {"demo", "twin"}))
def test_every_command_explains_itself(command: str) -> None:
    shown = storeweave(command, "--help")
    assert (shown.exit_code, "Usage" in shown.output) == (0, True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), Exit.USAGE),
        (BadRequestError("x"), Exit.USAGE),
        (RefusedError("x", code="unknown"), Exit.USAGE),
        (RefusedError("x", code="other"), Exit.FAILED),
        (RateLimitedError("x"), Exit.LATER),
        (LaneBlockedError("x"), Exit.FAILED),
        (StoreweaveError("x"), Exit.FAILED),
    ],
)
def test_an_exit_code_says_what_kind_of_failure_it_was(error: StoreweaveError, code: Exit) -> None:
    assert exit_code_of(error) is code


def test_init_writes_a_file_that_is_right_once_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "storeweave.toml"
    assert storeweave("init", "--config", str(path)).exit_code == 0
    assert storeweave("check", "--offline", "--config", str(path)).exit_code == 2
    for store in ("A", "B"):
        monkeypatch.setenv(f"STORE_{store}_HASH", f"hash{store}")
        monkeypatch.setenv(f"STORE_{store}_ACCESS_TOKEN", "canary")
    shown = storeweave("check", "--offline", "--config", str(path))
    assert (shown.exit_code, "2 connections, 1 flows" in shown.output) == (0, True)
    again = storeweave("init", "--config", str(path))
    assert (again.exit_code, "--force replaces it" in again.output) == (2, True)
    assert storeweave("init", "--force", "--config", str(path)).exit_code == 0


def test_a_faulty_configuration_lists_all_faults_on_standard_error(tmp_path: Path) -> None:
    path = tmp_path / "storeweave.toml"
    path.write_text("[hub]\nlease = 3\nrole = 'x'\n")
    shown = storeweave("status", config=path)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert "hub.lease: there is no such key (did you mean lease_s?)" in shown.stderr
    assert "hub.role" in shown.stderr


def test_with_json_an_error_is_json_on_standard_output(tmp_path: Path) -> None:
    shown = storeweave("status", "--json", "--config", str(tmp_path / "absent.toml"))
    assert shown.exit_code == 2
    error = json.loads(shown.stdout)["error"]
    assert (error["code"], "storeweave init" in error["message"]) == ("invalidconfig", True)


def test_a_program_without_flows_says_so(empty: Path) -> None:
    shown = storeweave("status", config=empty)
    assert (shown.exit_code, "nothing configured" in shown.stdout) == (0, True)
    assert json.loads(storeweave("status", "--json", config=empty).stdout)["verdict"] == "nothing configured"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["explain", "nothing"], 2, "nothing is known under 'nothing'"),
        (["plan", "--flow", "other"], 2, "there is no flow 'other'"),
        (["sync"], 2, "name items, or ask for a full pass"),
        (["sync", "x", "--full"], 2, "name items, or ask for a full pass"),
        (["undo", "--yes"], 2, "name one of: a run, a change, an item"),
        (["undo", "7", "--yes"], 2, "nothing on record"),
        (["undo", "7"], 2, "--yes"),
        (["pause", "x"], 2, "there is no connection 'x'"),
        (["hooks", "list", "x"], 2, "there is no connection 'x'"),
        (["brakes", "release", "3"], 2, "no open brake 3"),
        (["brakes", "release", "3", "--count", "1", "--hash", "x"], 1, "no open brake 3"),
        (["link", "f", "product", "1", "2"], 2, "there is no flow 'f'"),
        (["items", "--kind", "order"], 2, "write one of category, brand, product"),
        (["history", "--since", "yesterday"], 2, "2h or 3d"),
        (["serve", "--role", "boss"], 2, "all, door or worker"),
        (["serve", "--role", "door"], 2, "needs a postgresql:// database"),
        (["serve", "--listen", "8750"], 2, "address and a port"),
        (["twin", "acme"], 2, "bigcommerce"),
        (["parked", "--after", "!!"], 2, "cursor"),
        (["paint"], 2, "No such command"),
    ],
)
def test_what_cannot_be_done_is_told_with_the_right_exit_code(
    empty: Path, arguments: list[str], code: int, words: str
) -> None:
    shown = storeweave(*arguments, config=empty)
    assert words in " ".join(shown.output.replace("│", " ").split())
    assert shown.exit_code == code
    assert "Traceback" not in shown.output


VIEWS = [
    "parked",
    "runs",
    "history",
    "items",
    "brakes",
    "hooks",
    "unmatched",
    "purge",
    "retry",
    "check",
    "doctor",
    "version",
]


@pytest.mark.parametrize("command", [*VIEWS, "version"])
def test_an_empty_hub_answers_every_view_for_people_and_for_programs(empty: Path, command: str) -> None:
    shown = storeweave(command, config=empty)
    assert (shown.exit_code, bool(shown.stdout.strip())) == (0, True)
    json.loads(storeweave(command, "--json", config=empty).stdout)


def test_import_config_says_what_became_of_every_setting(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "APP_URL=https://x.example\nPORT=3000\nSTORE_A_HASH=aaa\nSTORE_A_ACCESS_TOKEN=canary-a\n"
        "STORE_B_HASH=bbb\nSTORE_B_ACCESS_TOKEN=canary-b\nMONGODB_URI=mongodb://canary\nEXTRA=1\n"
    )
    path = tmp_path / "storeweave.toml"
    shown = storeweave("import-config", str(tmp_path / ".env"), "--config", str(path))
    assert shown.exit_code == 0
    for words in ("hub.public_url", "not needed", "stays where it is", "EXTRA"):
        assert words in shown.output
    assert "canary" not in shown.output + path.read_text()
    assert storeweave("check", "--offline", config=path).exit_code == 0
    again = storeweave("import-config", str(tmp_path / ".env"), "--json", "--force", config=path)
    assert len(json.loads(again.stdout)["became"]) == 8


def test_import_config_of_a_bad_file_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STORE_A_HASH='canary\n")
    path = tmp_path / "storeweave.toml"
    shown = storeweave("import-config", str(tmp_path / ".env"), config=path)
    assert (shown.exit_code, path.exists()) == (2, False)
    assert "line 1: the value of STORE_A_HASH has no closing '" in shown.output
    assert "canary" not in shown.output


def test_a_mistake_of_ours_shows_no_values_of_variables(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from storeweave.app import views

    def broken(*_: object) -> None:
        hidden = "canary"
        raise KeyError(len(hidden))

    monkeypatch.setattr(views, "_verdict", broken)  # a bug cannot come in as an argument
    shown = storeweave("status", config=empty)
    assert (shown.exit_code, "a mistake of ours: KeyError" in shown.output) == (1, True)
    assert "canary" not in shown.output


def test_spans_and_times_are_understood() -> None:
    now = datetime.now(UTC)
    for text, span in {"90s": 90, "15 min": 900, "2h": 7200, "3d": 3 * 86400}.items():
        found = parse_since(text)
        assert found is not None
        assert abs((now - found) - timedelta(seconds=span)) < timedelta(seconds=5)
    assert parse_since("2026-11-20T12:00+00:00") == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert parse_since(None) is None
    for wrong in ("", "2 fortnights", "99999999d", "2026-13-01"):
        with pytest.raises(typer.BadParameter):
            parse_since(wrong)


def test_doctor_names_what_is_wrong_with_the_configuration_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "storeweave.toml"
    path.write_text("[hub]\nlease = 3\n")
    shown = storeweave("doctor", config=path)
    assert shown.exit_code == 1
    for words in ("python", "sqlite", "hub.lease: there is no such key"):
        assert words in shown.stdout


def run_program(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from storeweave.app.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | env)


def test_the_program_itself_starts_and_says_its_version() -> None:
    shown = run_program("version", "--json")
    assert (shown.returncode, json.loads(shown.stdout)["storeweave"]) == (0, __version__)


def test_a_reader_that_goes_away_is_no_error() -> None:
    shown = subprocess.run(
        f"{sys.executable} -c 'from storeweave.app.cli import main; main()' --help | head -c 1",
        shell=True, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in shown.stderr


def test_simple_commands_load_nothing_heavy() -> None:
    script = (
        "import sys\nfrom storeweave.app.cli.program import app\n"
        "heavy = {'fastapi', 'sqlalchemy', 'httpx2', 'uvicorn', 'alembic', 'prometheus_client'}\n"
        "print(sorted(set(sys.modules) & heavy))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert shown.stdout.strip() == "[]"
