"""Statements find their rows by an index, whatever the size of a table. Measured by plan, not by the clock."""

import importlib
import re
from collections.abc import Iterator

import pytest

from storeweave.storage import Inline, open_store
from storeweave.storage.statements import Conditions, Statement

MODULES = (
    "journal", "marks", "lanes", "settlement", "ledger", "listings", "history", "brakes", "operations", "retention",
)  # fmt: skip
POSTGRESQL_ONLY = {"NEXT_NUMBERS", "RING_IDLE_LANES", "LOCK_MARKS"}
WHOLE_ON_PURPOSE = {
    "marks.BACKLOG",  # counts them all
    "marks.PARKED_CAUSES",  # all parked ones, by their index
    "retention.DELETE_NOTICES",  # all marks, once per batch: what they want stays
    "retention.DELETE_CONFLICTS",  # from the oldest on
    "retention.DELETE_TOMBSTONES",
    "retention.DELETE_GUARD_OPS",
}


def statements() -> Iterator[tuple[str, Statement]]:
    for name in MODULES:
        module = importlib.import_module(f"storeweave.storage.{name}")
        for constant, value in vars(module).items():
            if isinstance(value, Statement) and constant not in POSTGRESQL_ONLY:
                yield f"{name}.{constant}", value


@pytest.mark.parametrize(("name", "statement"), [pytest.param(*pair, id=pair[0]) for pair in statements()])
async def test_no_table_that_grows_is_read_whole(name: str, statement: Statement) -> None:
    store = open_store("sqlite://", executor=Inline())
    sql = statement.prepared("sqlite").sql
    parameters = {found: "[]" if found == "r_rows" else 1 for found in re.findall(r":([a-z_]+)", sql)}
    connection = store._database.writer.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(f"explain query plan {sql}", parameters)
        plan = [row[3] for row in cursor.fetchall()]
        cursor.close()
    finally:
        connection.close()
        await store.close()
    tables = "journal|mark|crosswalk|base|history|conflict|intent|tombstone|guard_op|value|content_hash|[a-z]"
    scanned = [step for step in plan if re.match(rf"SCAN ({tables})( |$)", step) and step != "SCAN r"]
    assert name in WHOLE_ON_PURPOSE or scanned == []
    keyed_in_part = [step for step in plan if re.search(r"crosswalk.*\(flow=\? AND kind=\?\)", step)]
    assert name == "ledger.LINKED_COUNT" or keyed_in_part == []


def test_words_of_one_database_become_those_of_the_other() -> None:
    statement = Statement(
        "select {least}(r.a, :b), '50%', r.c::text from {rows} where x = {now}", rows="a bigint, c text"
    )
    assert statement.prepared("sqlite").sql == (
        "select min(r.a, :b), '50%', r.c::text from "
        "(select json_extract(value, '$[0]') as a, json_extract(value, '$[1]') as c from json_each(:r_rows)) as r "
        "where x = :clock_now"
    )
    assert statement.prepared("postgresql").sql == (
        "select least(r.a, %(b)s), '50%%', r.c::text from unnest(%(r_a)s::bigint[], %(r_c)s::text[]) as r(a, c) "
        "where x = (extract(epoch from clock_timestamp()) * 1000000)::bigint"
    )


def test_a_question_that_was_not_asked_is_no_condition() -> None:
    asked = Conditions(limit=5)
    asked.add("a = :a", a=None)
    asked.add("b > :b and c = :c", b=1, c=None)
    assert asked.parameters == {"limit": 5, "b": 1, "c": None}
    assert asked.statement("select 1 where {where} limit :limit").prepared("sqlite").sql == (
        "select 1 where b > :b and c = :c limit :limit"
    )
    assert Conditions().statement("select 1 where {where}").prepared("sqlite").sql == "select 1 where true"
