"""What a run hands in: two documents that say the same, and a last line that nobody can misread."""

import json
from pathlib import Path

import pytest

from bench.__main__ import SIZES, main
from bench.report import Must, Report, Section, Table, verdict, write

SECTION = Section(
    letter="a",
    title="Calls",
    how="Counted.",
    tables=[Table(caption="Calls", columns=("change", "writes", "share"), rows=[("price", 1234, 0.25)])],
    musts=[Must(claim="one write", figure="1", holds=True)],
)


def _report(*musts: Must) -> Report:
    broken = Section(letter="b", title="Passes", how="Clocked.", musts=musts)
    return Report(size="small", machine={"cores": "2"}, sections=[SECTION, broken], took_s=1.5)


def test_both_documents_hold_every_figure(tmp_path: Path) -> None:
    as_json, as_text = write(_report(), tmp_path)
    assert json.loads(as_json.read_text())["sections"][0]["tables"][0]["rows"] == [["price", 1234, 0.25]]
    text = as_text.read_text()
    assert "| price | 1,234 | 0.25 |" in text
    assert "cores: 2" in text
    assert "| one write | 1 | yes |" in text


def test_the_verdict_passes_only_when_every_promise_holds() -> None:
    assert verdict(_report()) == "PASS: all 1 promised figures hold"
    broken = verdict(_report(Must(claim="no writes", figure="7", holds=False)))
    assert broken == "FAIL: 1 of 2 promised figures hold; not: no writes: 7"


def test_a_run_of_one_measurement_prints_its_table_and_ends_with_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--size", "small", "--only", "a", "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("| price |") for line in lines)
    assert lines[-1].startswith("PASS: all ")
    assert {path.name for path in tmp_path.iterdir()} == {"small-a.json", "small-a.md"}


def test_both_sizes_measure_the_same_things() -> None:
    assert list(SIZES["small"]) == list(SIZES["full"]) == ["a", "b", "c", "d", "e"]


def test_an_unknown_measurement_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "z", "--results", str(tmp_path)])
