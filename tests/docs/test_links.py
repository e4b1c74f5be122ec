"""Links lead somewhere, and every test, scene and rule that a promise names is there."""

import ast
import re
from pathlib import Path

import pytest

from storeweave.engine.safety import SafetyRules
from tests.docs.pages import DOCS, ROOT, name_of, pages, prose
from tests.simulation.scenes import SORTS

LINK = re.compile(r"\]\(([^)\s]+)\)")
SHOWN = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, made as the usual viewers make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = []
    for link in LINK.findall(prose(page)):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_test_that_is_named_exists(page: Path) -> None:
    gone = []
    for path, name in SHOWN.findall(page.read_text()):
        file = ROOT / path
        if not file.is_file() or (name and name not in functions(file)):
            gone.append(f"{path}::{name}")
    assert gone == []


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = [page.name.partition("-")[0] for page in (DOCS / "decisions").glob("*.md")]
    assert sorted(numbers) == sorted(set(numbers))


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_scene_and_rule_that_a_promise_names_exists() -> None:
    text = (DOCS / "promises.md").read_text()
    scenes = set(re.findall(r"`sim:([\w-]+)`", text)) - {"sort"}
    rules = set(re.findall(r"`rule:(\w+)`", text)) - {"name"}
    assert scenes - set(SORTS) == set()
    assert rules - set(SafetyRules.__dataclass_fields__) == set()


def test_every_promise_names_what_shows_it() -> None:
    text = (DOCS / "promises.md").read_text()
    bare = {"In short", "A restored backup", "What the vendor makes impossible"}
    silent = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        if title not in bare and "Shown by" not in section:
            silent.append(title)
    assert silent == []


def test_every_page_can_be_found_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in LINK.findall(prose(page)):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.is_dir():
                waiting += target.glob("*.md")
            elif target.suffix == ".md" and target.is_file():
                waiting.append(target)
    assert [name_of(page) for page in pages() if page not in reached] == []
