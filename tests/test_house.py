"""The rules of the house that a machine can see: what is tracked, what is locked, how long modules grow."""

import ast
import re
import subprocess
import tomllib
from datetime import date
from pathlib import Path

import psycopg
import pytest
from packaging.requirements import Requirement

from tools import changelog, lock

ROOT = Path(__file__).resolve().parent.parent
LONGEST_MODULE_LINES = 500
MOST_RUNTIME_DEPENDENCIES = 25

# Spelled in pieces, so that this file does not find itself.
REGISTRY_HOSTS = re.compile(
    "|".join(["pypi" + r"\.org", "python" + r"hosted\.org", "/opt/" + "pypi", "/opt/" + "wheels"])
)
MACHINE_PATHS = re.compile("|".join(["(?<![\\w.])/wo" + "rk/", "/(?:root|home/\\w+)/\\w", "/t" + "mp/\\w"]))
UNFINISHED = re.compile("|".join(["NotImplemented" + "Error", "TO" + "DO", "FIX" + "ME", "XX" + "X"]))


def tracked_files() -> list[Path]:
    """List the files under version control, or all source files where there is no git."""
    answer = subprocess.run(
        ["git", "ls-files", "-z", "--cached"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        return [path for folder in ("src", "tests", "tools", "docs") for path in (ROOT / folder).rglob("*.*")]
    return [ROOT / name for name in answer.stdout.split("\0") if name and (ROOT / name).is_file()]


def lines_with(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    return found


def python_files(*folders: str) -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders]


def test_no_tracked_file_names_a_package_registry() -> None:
    assert lines_with(REGISTRY_HOSTS, tracked_files()) == []


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATHS, tracked_files()) == []


def test_the_vendors_contracts_are_not_copied_here() -> None:
    copies = [
        path.relative_to(ROOT)
        for path in tracked_files()
        if path.suffix in {".yml", ".yaml", ".json"}
        and re.search(r"(?m)^\s*\"?(openapi|swagger)\"?\s*:", path.read_text())
    ]
    assert copies == []


def test_nothing_is_left_half_built() -> None:
    assert lines_with(UNFINISHED, python_files("src", "tests", "tools", "bench")) == []


def test_no_module_grows_past_one_idea() -> None:
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in python_files("src", "tests", "tools", "bench")
    }
    assert {name: lines for name, lines in sizes.items() if lines > LONGEST_MODULE_LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files("src", "tools", "bench")
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_no_module_is_named_for_having_no_idea() -> None:
    nameless = {"utils", "helpers", "common", "misc", "util", "helper"}
    assert [path for path in python_files("src", "tests") if path.stem in nameless] == []


def test_every_folder_of_the_program_is_a_package() -> None:
    folders = {path.parent for path in python_files("src")} - {ROOT / "src"}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_runtime_dependencies_stay_few() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert len(lock.read_requirements(pyproject)) <= MOST_RUNTIME_DEPENDENCIES


def test_every_runtime_dependency_has_its_reason_written_down() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    reasons = (ROOT / "docs/decisions/0002-runtime-dependencies.md").read_text().lower()
    extras = [name for name in pyproject["project"]["optional-dependencies"] if name != "dev"]
    assert [r.name for r in lock.read_requirements(pyproject, *extras) if f"| {r.name.lower()} |" not in reasons] == []


def test_the_locks_agree_with_what_the_project_asks_for() -> None:
    assert lock.check(ROOT) == []


def test_the_rule_that_the_core_does_no_io_covers_the_whole_core() -> None:
    core = {"model", "ports", "mapping", "ledger", "journal", "engine"}
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    covered = {name for contract in contracts for name in contract.get("source_modules", [])}
    built = {f"storeweave.{name}" for name in core if (ROOT / "src/storeweave" / name / "__init__.py").exists()}
    assert built <= covered, "add the new folder to source_modules of that contract in pyproject.toml"


PINNED = """\
alpha==1.4 \\
    --hash=sha256:00 \\
    --hash=sha256:01
beta-two==2.0 ; sys_platform != 'win32' \\
    --hash=sha256:02
"""


@pytest.mark.parametrize(
    ("text", "asked", "fault"),
    [
        (PINNED, "gamma>=1", "gamma is missing"),
        (PINNED, "alpha>=1.5", "alpha 1.4 is outside >=1.5"),
        (PINNED.replace("--hash=sha256:02", ""), "alpha>=1", "beta-two has no hash"),
        ("--index-url https://registry.example/simple\n", "", "names a place to download from"),
        ("alpha @ https://registry.example/a.whl --hash=sha256:00\n", "", "names a place to download from"),
    ],
)
def test_a_drifted_lock_is_found(text: str, asked: str, fault: str) -> None:
    requirements = [Requirement(asked)] if asked else []
    assert any(fault in found for found in lock.find_faults("some.lock", text, requirements))


def test_a_right_lock_has_no_faults() -> None:
    asked = [Requirement("Alpha~=1.2"), Requirement("beta_two[fast]>=2")]
    assert lock.find_faults("some.lock", PINNED, asked) == []


def test_tests_run_on_the_versions_that_are_installed_for_users() -> None:
    ours = lock.read_pins(PINNED)
    assert lock.find_disagreements(ours, ours) == []
    assert lock.find_disagreements(ours, {}) == [
        "alpha: 1.4 at run time, nothing in tests",
        "beta-two: 2.0 at run time, nothing in tests",
    ]


def test_changelog_fragments_can_be_gathered() -> None:
    assert changelog.find_faults(changelog.find_fragments(ROOT / "changelog.d")) == []


def test_a_release_moves_the_fragments_into_the_changelog(tmp_path: Path) -> None:
    folder = tmp_path / "changelog.d"
    folder.mkdir()
    (folder / "README.md").write_text("explains")
    (folder / "door.added.md").write_text("A door\nfor notices.\n")
    (folder / "leak.security.md").write_text("Closes a leak.")
    changelog.release("0.2.0", date(2026, 11, 21), tmp_path)
    (folder / "more.fixed.md").write_text("Mends a thing.")
    changelog.release("0.3.0", date(2026, 11, 22), tmp_path)

    assert [path.name for path in folder.iterdir()] == ["README.md"]
    assert (tmp_path / "CHANGELOG.md").read_text() == (
        "# Changelog\n\n"
        "## 0.3.0 (2026-11-22)\n\n### Fixed\n\n- Mends a thing.\n\n"
        "## 0.2.0 (2026-11-21)\n\n### Security\n\n- Closes a leak.\n\n### Added\n\n- A door for notices.\n"
    )


@pytest.mark.parametrize(
    ("name", "text"), [("Big Thing.added.md", "x"), ("thing.better.md", "x"), ("thing.fixed.md", " ")]
)
def test_a_fragment_that_cannot_be_gathered_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert changelog.find_faults(changelog.find_fragments(tmp_path))


@pytest.mark.postgres
def test_each_test_gets_an_empty_database_of_its_own(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        assert tables == (0,)


def test_the_vendors_contracts_are_where_the_tests_look(specs_dir: Path) -> None:
    assert (specs_dir / "bigcommerce").is_dir()
