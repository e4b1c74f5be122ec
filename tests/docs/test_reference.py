"""The reference is what the code says, and nothing that a user can meet is forgotten in the documentation."""

import re

import pytest

from tests.docs.pages import DOCS, all_text
from tools.docs_configuration import connector_settings, settings_paths
from tools.docs_errors import MEANINGS, codes
from tools.docs_interfaces import abilities, commands, metrics, routes
from tools.docs_reference import FOLDER, PAGES, made

TEXT = all_text()


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text() == made(name), "run `make docs`"


def mentioned(name: str) -> bool:
    return re.search(rf"`[^`\n]*(?<![\w-]){re.escape(name)}(?![\w-])[^`\n]*`", TEXT) is not None


def test_no_setting_is_forgotten() -> None:
    names = {path.partition(" ")[0].rpartition(".")[2] for path in settings_paths()}
    assert [name for name in sorted(names) if not mentioned(name)] == []


def test_every_setting_says_what_it_means() -> None:
    silent = [
        f"{name}.{field}"
        for name, settings in connector_settings()
        for field, info in settings.model_fields.items()
        if not info.description
    ]
    assert silent == []


def test_no_command_is_forgotten_and_each_says_what_it_does() -> None:
    found = dict(commands())
    assert [name for name in found if not mentioned(f"storeweave {name}")] == []
    assert [name for name, command in found.items() if not command.help] == []


def test_no_command_is_named_that_does_not_exist() -> None:
    names = {name.partition(" ")[0] for name, _ in commands()}
    told = set(re.findall(r"(?:`|^ {4,}|\n)storeweave ([a-z][a-z-]*)", TEXT))
    assert told - names == set()


def test_every_error_code_is_explained() -> None:
    assert codes().keys() == MEANINGS.keys()
    assert [code for code in codes() if not mentioned(code)] == []


def test_no_metric_is_forgotten_and_none_is_made_up() -> None:
    assert [name for name in metrics() if not mentioned(name)] == []
    told = (DOCS / "operating.md").read_text()
    assert set(re.findall(r"(?<=[`(])storeweave_[a-z_]+|(?<=- )storeweave_[a-z_]+", told)) - set(metrics()) == set()


def test_no_ability_is_forgotten() -> None:
    assert [name for names in abilities().values() for name in names if not mentioned(name)] == []


def test_every_route_says_what_it_does() -> None:
    assert [path for _, path, operation in routes() if not operation.get("description")] == []
