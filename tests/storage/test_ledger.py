"""Bases and the crosswalk come back as they were stored; listings are compared with them quickly."""

from datetime import datetime
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storeweave.model.kinds import FlowName, Key, Kind
from storeweave.model.records import Record, Value
from storeweave.model.state import Base, BaseUpdate, Link, Settlement
from storeweave.storage import Inline, open_store
from storeweave.storage.rows import from_us, to_us
from tests.storage.samples import FLOW, NOW, Bench, base_update, key, later, link, record
from tests.strategies import catalogues

P = Kind.PRODUCT


async def put(bench: Bench, *updates: BaseUpdate) -> None:
    await bench.store.put_bases(Settlement(bases=updates))


async def test_a_base_comes_back_with_its_link(bench: Bench) -> None:
    update = base_update(1)
    await put(bench, update, base_update(2))
    assert update.link is not None
    assert await bench.store.bases(FLOW, P, [Key("1"), Key("9")]) == {"1": (update.link, update.base)}


async def test_a_newer_base_replaces_the_older_and_keeps_the_link(bench: Bench) -> None:
    first = base_update(1)
    await put(bench, first)
    newer = Base(
        wanted=record("d1", name="Cup", price=None),
        lossy={"name": "cup", "variants/12/sku": "X"},
        links={"variants": {"12": "34"}},
        held={"description": None},
        doubts={"price": Decimal("9.5"), "categories": frozenset({"1"})},
        source_digest=b"s",
        destination_digest=b"d",
        written_at=later(hours=1),
    )
    await put(bench, BaseUpdate(key=key(1), base=newer))
    assert await bench.store.bases(FLOW, P, [Key("1")]) == {"1": (first.link, newer)}
    assert await bench.store.digests(FLOW, P, [Key("1")]) == {"1": b"s"}
    assert await bench.store.destination_digests(FLOW, P, [Key("d1")]) == {"d1": ("1", b"d")}


async def test_a_base_without_any_link_is_not_kept(bench: Bench) -> None:
    """The key was unlinked while it was worked: it is matched anew next time."""
    await put(bench, BaseUpdate(key=key(1), base=Base(wanted=record("d1"))))
    assert await bench.store.bases(FLOW, P, [Key("1")]) == {}
    await put(bench, base_update(1))
    assert set(await bench.store.bases(FLOW, P, [Key("1")])) == {"1"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(catalogue=catalogues(), data=st.data())
async def test_any_record_survives_as_base(catalogue: object, data: st.DataObject) -> None:
    records: list[Record] = list(catalogue.records)  # type: ignore[attr-defined]
    store = open_store("sqlite://", executor=Inline())
    try:
        for one in records:
            paths: dict[str, Value] = dict(one.fields)
            held = data.draw(st.sampled_from([{}, paths]))
            base = Base(wanted=one, lossy=paths, held=held, links={c: {k: k for k in p} for c, p in one.parts.items()})
            row = Link(
                key=key(one.key, one.kind), destination_key=one.key, how="sku", sku=None, title="", linked_at=NOW
            )
            await store.put_bases(Settlement(bases=[BaseUpdate(key=row.key, base=base, link=row)]))
            stored = (await store.bases(FLOW, one.kind, [one.key]))[one.key][1]
            assert stored.wanted.fields == one.fields
            assert stored.wanted.parts == one.parts
            assert (stored.lossy, stored.held, stored.links) == (base.lossy, base.held, base.links)
    finally:
        await store.close()


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9999, 12, 31)))  # noqa: DTZ001 - made aware below
def test_any_instant_survives_to_the_microsecond(at: datetime) -> None:
    aware = at.replace(tzinfo=NOW.tzinfo)
    assert from_us(to_us(aware)) == aware


async def test_links_are_found_from_both_sides(bench: Bench) -> None:
    await put(bench, base_update(1), base_update(2), base_update(3, kind=Kind.BRAND))
    keys = [Key("1"), Key("2"), Key("3"), Key("1")]
    assert await bench.store.links(FLOW, P, keys) == {"1": "d1", "2": "d2"}
    assert await bench.store.links_back(FLOW, P, [Key("d2"), Key("d3")]) == {"d2": "2"}
    assert await bench.store.links(FlowName("other"), P, keys) == {}
    assert await bench.store.links(FLOW, P, []) == {}
    assert await bench.store.linked_count(FLOW, P) == 2


async def test_unlinking_removes_base_and_crosswalk_row(bench: Bench) -> None:
    await put(bench, base_update(1), base_update(2))
    await bench.store.put_bases(Settlement(unlinked=[key(1)]))
    assert set(await bench.store.bases(FLOW, P, [Key("1"), Key("2")])) == {"2"}
    assert await bench.store.links_back(FLOW, P, [Key("d1")]) == {}


async def test_a_destination_can_change_hands_in_one_settlement(bench: Bench) -> None:
    await put(bench, base_update(1, "d"))
    await bench.store.put_bases(Settlement(unlinked=[key(1)], bases=[base_update(2, "d")]))
    assert await bench.store.links_back(FLOW, P, [Key("d")]) == {"d": "2"}


async def test_links_are_listed_and_searched_for_people(bench: Bench) -> None:
    await put(
        bench,
        base_update("a", title="Große Tasse", sku="T-1"),
        base_update("b", title="Mug 100%", sku="M_1"),
        base_update("c", title="mug small", sku=None),
    )
    listed = await bench.store.link_rows(FLOW, P, limit=2)
    assert [row.key.key for row in listed] == ["a", "b"]
    assert [row.key.key for row in await bench.store.link_rows(FLOW, P, after=Key("b"))] == ["c"]

    async def search(text: str) -> list[str]:
        return [row.key.key for row in await bench.store.link_rows(FLOW, P, text=text)]

    assert await search("MUG") == ["b", "c"]
    assert await search("GROSSE") == []
    assert await search("GROßE") == ["a"]
    assert await search("m_1") == ["b"]
    assert await search("0%") == ["b"]


async def test_an_item_is_found_by_key_sku_or_how_its_title_starts(bench: Bench) -> None:
    await put(
        bench,
        base_update("10", "77", title="Mug", sku="M-1"),
        base_update("77", "10", title="Mugs and more", sku="10"),
        base_update("5", "6", title="Smug", sku="S", kind=Kind.BRAND),
    )

    async def find(text: str) -> list[str]:
        return [row.key.key for row in await bench.store.find_keys(None, text)]

    assert await find("M-1") == ["10"]
    assert await find("10") == ["10", "77"]
    assert await find("mug") == ["10", "77"]
    assert await find("6") == ["5"]
    assert await find("") == []
    assert await bench.store.find_keys(FlowName("other"), "10") == []


async def test_titles_are_cleaned_of_what_databases_refuse(bench: Bench) -> None:
    await put(bench, base_update(1, title="M\0ug \ud800", sku="S\0"))
    (row,) = await bench.store.link_rows(FLOW, P)
    assert (row.title, row.sku) == ("Mug ?", "S")


async def test_an_intent_says_since_when_and_under_which_names(bench: Bench) -> None:
    await bench.store.open_intents({key(1): ("sku:A", "name:Mug"), key(2): ()}, NOW)
    await bench.store.open_intents({key(1): ("sku:B",)}, later(seconds=5))
    assert await bench.store.intents([key(1), key(2), key(3)]) == {
        key(1): (later(seconds=5), ("sku:B",)),
        key(2): (NOW, ()),
    }
    await bench.store.put_bases(Settlement(intents_done=[key(1), key(3)]))
    assert set(await bench.store.intents([key(1), key(2)])) == {key(2)}


async def test_intents_that_are_open_for_long_are_found(bench: Bench) -> None:
    await bench.store.open_intents({key(1): (), key(2): ()}, NOW)
    await bench.store.open_intents({key(3): (), key("b", Kind.BRAND): ()}, later(hours=1))
    assert list(await bench.store.open_intents_since(FLOW, P, later(minutes=1))) == ["1", "2"]
    assert list(await bench.store.open_intents_since(FLOW, P, later(hours=2))) == ["1", "2", "3"]
    assert list(await bench.store.open_intents_since(FLOW, P, NOW)) == []


async def test_a_tombstone_goes_when_the_key_is_linked_again(bench: Bench) -> None:
    await bench.store.put_bases(Settlement(tombstones=[(key(1), Key("d1")), (key(2), None), (key(1), None)]))
    assert list(await bench.store.is_tombstone([key(2), key(1), key(3)])) == [key(1), key(2)]
    await put(bench, base_update(1))
    assert list(await bench.store.is_tombstone([key(1), key(2)])) == [key(2)]


async def test_keys_that_a_listing_lacked_are_known(bench: Bench) -> None:
    await put(bench, *[base_update(n) for n in range(5)])
    run = await bench.store.start_run(FLOW, "full", later(seconds=1))
    await bench.store.seen(FLOW, P, [Key("0"), Key("2"), Key("unlinked")], run)
    assert list(await bench.store.unseen(FLOW, P, run)) == ["1", "3", "4"]
    assert list(await bench.store.unseen(FLOW, P, run, after=Key("1"), limit=1)) == ["3"]
    await bench.store.seen(FLOW, P, [Key("1"), Key("3"), Key("4")], run)
    assert list(await bench.store.unseen(FLOW, P, run)) == []
    other = await bench.store.start_run(FLOW, "full", later(seconds=2))
    assert len(await bench.store.unseen(FLOW, P, other)) == 5


async def test_what_the_destination_still_shows_may_be_missing_at_the_source(bench: Bench) -> None:
    """Both listings of one run are told apart, and only the source's ends an absence."""
    await put(bench, *[base_update(n) for n in range(3)])
    run = await bench.store.start_run(FLOW, "sweep", later(seconds=1))
    await bench.store.seen(FLOW, P, [Key("0"), Key("1")], run)
    await bench.store.missing_once(FLOW, P, [Key("2")], NOW)
    assert len(await bench.store.unseen(FLOW, P, run, there=True)) == 3
    await bench.store.seen(FLOW, P, [Key("1"), Key("2")], run, there=True)
    assert list(await bench.store.unseen(FLOW, P, run, there=True)) == ["0"]
    assert list(await bench.store.unseen(FLOW, P, run)) == ["2"]
    assert await bench.store.missing_once(FLOW, P, [Key("2")], later(hours=1)) == {"2": NOW}


async def test_a_key_linked_during_a_pass_was_not_missed_by_it(bench: Bench) -> None:
    run = await bench.store.start_run(FLOW, "full", NOW)
    await put(bench, base_update(1, linked_at=later(seconds=5)), base_update(2, linked_at=later(seconds=-5)))
    assert list(await bench.store.unseen(FLOW, P, run)) == ["2"]


async def test_missing_is_dated_from_the_first_time_until_seen_again(bench: Bench) -> None:
    await put(bench, base_update(1), base_update(2))
    keys = [Key("1"), Key("2"), Key("unlinked")]
    assert await bench.store.missing_once(FLOW, P, keys[:1], NOW) == {"1": NOW}
    assert await bench.store.missing_once(FLOW, P, keys, later(hours=1)) == {"1": NOW, "2": later(hours=1)}
    await bench.store.seen(FLOW, P, [Key("1")], 4)
    assert await bench.store.missing_once(FLOW, P, keys[:1], later(hours=2)) == {"1": later(hours=2)}


async def test_relinking_moves_a_key_to_another_destination(bench: Bench) -> None:
    await put(bench, base_update(1, "old"))
    moved = link(1, "new", how="explicit", title="Other")
    await put(bench, BaseUpdate(key=key(1), base=Base(wanted=record("new")), link=moved))
    assert await bench.store.links(FLOW, P, [Key("1")]) == {"1": "new"}
    assert await bench.store.links_back(FLOW, P, [Key("old"), Key("new")]) == {"new": "1"}
