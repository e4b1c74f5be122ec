"""What the base remembers of new parts once the destination has given them keys."""

from storeweave.ledger.agreed import agreed
from storeweave.ledger.merge import merge
from storeweave.model.flow import Policy
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Fields, Record
from storeweave.model.state import Base


def _shirt(parts: dict[str, dict[str, Fields]]) -> Record:
    return Record(kind=Kind.PRODUCT, key=Key("7"), fields={"name": "Shirt"}, parts=parts)


def _created(wanted: Record, part_keys: dict[str, dict[str, str]], shown: Record) -> Base:
    return agreed(
        wanted,
        destination_key=Key("900"),
        merge=merge(wanted, None, None, policy=lambda _: Policy.SOURCE),
        before=None,
        links={},
        part_keys=part_keys,
        shown=shown,
        source_digest=b"s",
        written_at=None,
    )


def test_a_variant_and_an_option_value_of_the_same_number_are_not_taken_for_each_other() -> None:
    wanted = _shirt(
        {
            "options": {"+5": {"name": "Size"}},
            "option_values": {"+5": {"option": "+5", "label": "S"}, "+6": {"option": "+5", "label": "M"}},
            "variants": {"+5": {"option_values": frozenset({"+6"})}, "+6": {"option_values": frozenset({"+5"})}},
        }
    )
    keys = {
        "options": {"+5": "50"},
        "option_values": {"+5": "61", "+6": "62"},
        "variants": {"+5": "71", "+6": "72"},
    }
    shown = _shirt(
        {"variants": {"71": {"option_values": frozenset({"62"})}, "72": {"option_values": frozenset({"61"})}}}
    )
    base = _created(wanted, keys, shown)
    assert base.wanted.parts["variants"] == shown.parts["variants"]
    assert base.wanted.parts["option_values"]["61"]["option"] == "50"
    assert not base.doubts


def test_a_part_whose_key_nobody_learned_is_left_to_the_next_look() -> None:
    wanted = _shirt({"images": {"+1": {"description": "Front"}, "8": {"description": "Back"}}})
    nothing_learned: list[dict[str, dict[str, str]]] = [{}, {"images": {}}, {"variants": {"+1": "70"}}]
    for part_keys in nothing_learned:
        assert set(_created(wanted, part_keys, _shirt({})).wanted.parts["images"]) == {"8"}
