"""Which record there is which record here, and which part is which part."""

from __future__ import annotations

from storeweave.mapping.matching import identities, match
from storeweave.mapping.parts import link_parts, unmatched_images
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Fields, Record

RULES = ("sku", "variant-sku", "name", "path")


def record(key: str, *matches: str, **parts: dict[str, Fields]) -> Record:
    return Record(kind=Kind.PRODUCT, key=Key(key), fields={}, matches=matches, parts=parts)


def test_the_sku_is_tried_before_the_skus_of_variants() -> None:
    ours = record("1", "sku:A", "variant-sku:A-RED")
    found = {"sku:A": [record("10", "sku:A")], "variant-sku:A-RED": [record("11", "sku:B")]}
    assert match(ours, RULES, found, {}).key == "10"
    del found["sku:A"]
    verdict = match(ours, RULES, found, {})
    assert (verdict.key, verdict.how) == ("11", "variant-sku")


def test_a_name_identifies_only_what_has_no_sku() -> None:
    assert identities(("sku:A", "name:mug"), RULES) == ["sku:A"]
    assert identities(("name:mug",), RULES) == ["name:mug"]
    with_sku = {"name:mug": [record("10", "sku:X", "name:mug")]}
    assert match(record("1", "name:mug"), RULES, with_sku, {}).key is None
    without_sku = {"name:mug": [record("10", "name:mug")]}
    assert match(record("1", "name:mug"), RULES, without_sku, {}).key == "10"


def test_two_products_with_one_sku_are_reported_not_merged() -> None:
    found = {"sku:A": [record("10", "sku:A")]}
    verdict = match(record("2", "sku:A"), RULES, found, {Key("10"): Key("1")})
    assert verdict.key is None
    assert verdict.code == "duplicate-sku"
    assert "source record 1" in verdict.problem


def test_two_candidates_are_reported_not_guessed_at() -> None:
    found = {"sku:A": [record("10", "sku:A"), record("11", "sku:A")]}
    verdict = match(record("1", "sku:A"), RULES, found, {})
    assert verdict.code == "ambiguous"
    assert "10, 11" in verdict.problem


def test_what_is_linked_to_us_already_is_ours() -> None:
    assert match(record("1", "sku:A"), RULES, {"sku:A": [record("10", "sku:A")]}, {Key("10"): Key("1")}).key == "10"


def test_what_we_made_under_another_name_is_found_by_that_name() -> None:
    found = {"sku:OLD": [record("10", "sku:OLD")]}
    assert match(record("1", "sku:NEW"), RULES, found, {}, ("sku:OLD",)).key == "10"


def test_a_linked_variant_is_followed_when_its_sku_changes() -> None:
    ours = record("1", variants={"3": {"sku": "NEW", "option_values": frozenset()}})
    theirs = record("10", variants={"30": {"sku": "OLD", "option_values": frozenset()}})
    assert link_parts(ours, theirs, {"variants": {"3": "30"}})["variants"] == {"3": "30"}


def test_unlinked_parts_match_by_sku_then_by_option_values() -> None:
    options: dict[str, dict[str, Fields]] = {
        "options": {"5": {"name": "Size"}},
        "option_values": {"7": {"option": "5", "label": "S"}},
    }
    there: dict[str, dict[str, Fields]] = {
        "options": {"50": {"name": "Size"}},
        "option_values": {"70": {"option": "50", "label": "S"}},
    }
    ours = record("1", **options, variants={"3": {"sku": "A", "option_values": frozenset({"7"})}})
    theirs = record("10", **there, variants={"30": {"sku": "B", "option_values": frozenset({"70"})}})
    links = link_parts(ours, theirs, {})
    assert links == {"options": {"5": "50"}, "option_values": {"7": "70"}, "variants": {"3": "30"}}


def test_links_to_parts_that_are_gone_are_dropped() -> None:
    ours = record("1", images={"4": {"url": "u"}})
    theirs = record("10", images={})
    assert link_parts(ours, theirs, {"images": {"4": "40", "5": "50"}})["images"] == {}


def test_images_match_by_their_bytes_and_each_only_once() -> None:
    ours = record("1", images={"4": {"content": "aa"}, "5": {"content": "aa"}})
    theirs = record("10", images={"40": {"content": "aa"}})
    assert link_parts(ours, theirs, {})["images"] == {"4": "40"}


def test_bytes_are_asked_for_only_when_both_sides_have_unexplained_images() -> None:
    ours = record("1", images={"4": {"url": "u"}})
    assert unmatched_images(ours, record("10", images={}), {}) == ([], [])
    assert unmatched_images(ours, record("10", images={"40": {}}), {}) == (["4"], ["40"])
    assert unmatched_images(ours, record("10", images={"40": {}}), {"images": {"4": "40"}}) == ([], [])


def test_a_store_that_drops_blanks_knows_it_without_them() -> None:
    assert identities(["name:Mug ", "path:a/b"], ["name", "path"]) == ["name:Mug ", "name:Mug", "path:a/b"]
    kept = Record(kind=Kind.PRODUCT, key=Key("9"), fields={"name": "Mug"}, matches=("name:Mug",))
    ours = Record(kind=Kind.PRODUCT, key=Key("1"), fields={"name": "Mug "}, matches=("name:Mug ",))
    assert match(ours, ("sku", "name"), {"name:Mug": [kept]}, {}).key == "9"
