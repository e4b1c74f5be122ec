"""Files of NAME=value lines: what is read, and how faults are told."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeweave.app.env_file import LARGEST_BYTES, parse_env, read_env_file

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"), ("A =  b ", "b"), ("export A=b", "b"), ("export\tA=b", "b"), ("A='b # c'", "b # c"),
        ('A="b\\nc"', "b\nc"), ('A="say \\"b\\""', 'say "b"'), ("A='b\\n'", "b\\n"), ("A=b # why", "b"),
        ("A=b#c", "b#c"), ("A=# only a comment", ""), ("A=", ""), ('A=""', ""), ("A=b=c", "b=c"),
        ('A="b" # why', "b"), ("A=it's", "it's"), ("A=ä€", "ä€"), ("exported=b", "b"), ('A="\\d"', "\\d"),
    ],
)  # fmt: skip
def test_a_line_is_read_as_a_shell_would(line: str, value: str) -> None:
    read = parse_env(line.encode())
    assert read.faults == ()
    assert [entry.value for entry in read.entries] == [value]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_comments_and_a_bom_do_not_matter(end: str) -> None:
    read = parse_env(b"\xef\xbb\xbf" + end.join(["# comment", "", "A=1", "  B=2  ", ""]).encode())
    assert (read.values, read.faults) == ({"A": "1", "B": "2"}, ())
    assert [entry.line for entry in read.entries] == [3, 4]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"A=1\nSECRET_VALUE_ONLY\n", 2, "has no value"),
        (b"A=1\n1A=2", 2, "not a name"),
        (b"A B=2", 1, "not a name"),
        (b"=2", 1, "not a name"),
        (b"A='canary", 1, "no closing '"),
        (b'A="canary\\"', 1, 'no closing "'),
        (b'A="b" canary', 1, "behind the quoted value"),
        (b"A=1\nB=1\nA=canary", 3, "given in line 1 already"),
        (b"A=1\nB=\xff", 2, "not UTF-8"),
        (b"A=1\nB=\0", 2, "binary"),
        ("A=1".encode("utf-16"), 0, "UTF-16"),
        (b'{"A": 1}', 0, "JSON"),
        (b"#" * (LARGEST_BYTES + 1), 0, "larger than 1 MiB"),
    ],
)
def test_a_fault_names_its_line_and_remedy_and_never_a_value(text: bytes, line: int, words: str) -> None:
    (fault,) = parse_env(text).faults
    assert (fault.line, words in fault.message, bool(fault.remedy)) == (line, True, True)
    assert "canary" not in str(fault)


def test_all_faults_are_listed_at_once() -> None:
    assert [fault.line for fault in parse_env(b"A\nB=1\nC='\nB=2").faults] == [1, 3, 4]


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    assert "No such file" in read_env_file(tmp_path / "absent").faults[0].message
    assert "directory" in read_env_file(tmp_path).faults[0].message


@given(st.binary(max_size=400))
def test_no_bytes_bring_the_reader_down(raw: bytes) -> None:
    read = parse_env(raw)
    assert all(fault.remedy for fault in read.faults)
    assert len(read.values) == len(read.entries)


@given(st.dictionaries(names, st.text(alphabet=st.characters(exclude_characters="'\0\r\n", exclude_categories=["Cs"]))))
def test_quoted_values_come_back_as_they_were(values: dict[str, str]) -> None:
    text = "\n".join(f"{name}='{value}'" for name, value in values.items())
    assert parse_env(text.encode()).values == values
