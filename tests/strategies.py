"""Hypothesis strategies for records as stores have them: categories with parents, brands, products with everything.

A ``Catalogue`` is consistent in itself: keys are unique, references point to records that come before, names and SKUs
are unique. Fields are drawn from what vendors accept (their enumerations, lengths, four decimals), so that a strategy
fits a real connector's twin, too; pass ``fields`` to draw only some.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from itertools import product as combinations
from typing import TypeVar

import msgspec
from hypothesis import strategies as st

from storeweave.connectors.memory.shop import content_hash_of
from storeweave.model.kinds import SCHEMAS, FieldSchema, FieldType, Key, Kind
from storeweave.model.money import canonical, canonical_text
from storeweave.model.records import FieldChange, Fields, Record, Value

T = TypeVar("T")

# --- values -----------------------------------------------------------------------------------------------------------

_LETTERS = st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="\\")
_WORDS = st.sampled_from(
    (
        "Mug",
        "Tee",
        "Großer",
        "Tasse",
        "茶碗",
        "Café",
        "Łódź",
        "red",
        "10″",
        "½",
        "&",
        "<b>bold</b>",
        "it's",
        "☕",
        "A/B",
    )
)


def texts(*, max_size: int = 40) -> st.SearchStrategy[str]:
    """Texts without blanks at their ends; may be empty."""
    spoken = st.lists(_WORDS, max_size=5).map(" ".join)
    return (spoken | st.text(_LETTERS, max_size=12)).map(lambda text: text[:max_size].strip())


def names() -> st.SearchStrategy[str]:
    """Texts with something in them."""
    return texts().filter(bool)


def skus() -> st.SearchStrategy[str]:
    """SKUs; capital letters, digits and dashes."""
    return st.from_regex(r"[A-Z]{1,4}-[0-9A-Z]{1,6}", fullmatch=True)


def amounts(*, places: int = 4, most: int = 99_999) -> st.SearchStrategy[Decimal]:
    """Canonical decimals from 0, with up to ``places`` places."""
    fine = st.integers(0, most * 10**places).map(lambda n: canonical(Decimal(n).scaleb(-places)))
    plain = st.integers(0, most).map(Decimal)
    usual = st.integers(1, 500).map(lambda n: canonical(Decimal(n) - Decimal("0.01")))
    return fine | plain | usual


def instants() -> st.SearchStrategy[str]:
    """ISO 8601 in UTC, whole seconds."""
    return st.integers(0, 86_400 * 365).map(
        lambda s: f"2026-{s // 2_678_400 % 12 + 1:02}-{s % 28 + 1:02}T{s % 24:02}:{s % 60:02}:00Z"
    )


_CHOICES: Mapping[str, Sequence[str]] = {
    "type": ("physical", "digital"),
    "availability": ("available", "disabled", "preorder"),
    "inventory_tracking": ("none", "product", "variant"),
    "condition": ("New", "Used", "Refurbished"),
    "gift_wrapping_options_type": ("any", "none", "list"),
    "open_graph_type": ("product", "album", "book", "drink", "food", "game", "movie", "song", "tv_show"),
    "default_product_sort": ("use_store_settings", "featured", "newest", "best_selling", "alpha_asc", "price_desc"),
    "listing_state": ("active", "disabled"),
}
OPTION_TYPES = ("radio_buttons", "rectangles", "dropdown")
"""Types of options whose values need no data of their own."""

_custom_field = st.tuples(names(), names())
_bulk_price = st.tuples(
    st.integers(2, 50).map(str),
    st.just("0"),
    st.sampled_from(("price", "percent", "fixed")),
    amounts().map(canonical_text),
)
_video = st.tuples(
    st.just("youtube"),
    st.from_regex(r"[A-Za-z0-9_-]{11}", fullmatch=True),
    texts(),
    texts(),
    st.integers(0, 9).map(str),
)
_FORMS: Mapping[str, st.SearchStrategy[Value]] = {
    "upc": st.from_regex(r"[0-9]{12}", fullmatch=True),
    "gtin": st.from_regex(r"[0-9]{14}", fullmatch=True),
    "url_path": st.from_regex(r"/[a-z]{3,9}-[a-z0-9]{2,5}/", fullmatch=True),
    "image_url": st.sampled_from("abc").map(lambda picture: f"https://pictures.invalid/{content_hash_of(picture)}"),
    "layout_file": st.sampled_from(("", "plain.html")),
    "product_tax_code": st.sampled_from(("", "PC040100")),
    "custom_fields": st.frozensets(_custom_field, max_size=3),
    "bulk_pricing": st.lists(_bulk_price, max_size=1).map(frozenset),
    "videos": st.lists(_video, max_size=2, unique_by=lambda row: row[1]).map(frozenset),
}


def value_of(name: str, schema: FieldSchema) -> st.SearchStrategy[Value]:
    """A value for a field that refers to nothing."""
    if name in _CHOICES:
        return st.sampled_from(_CHOICES[name])
    if name in _FORMS:
        return _FORMS[name]
    by_type: dict[FieldType, Callable[[], st.SearchStrategy[Value]]] = {
        FieldType.TEXT: texts,
        FieldType.HTML: lambda: texts().map(lambda text: f"<p>{text}</p>"),
        FieldType.FLAG: st.booleans,
        FieldType.COUNT: lambda: st.integers(0, 10_000),
        FieldType.DECIMAL: lambda: amounts(most=500),
        FieldType.MONEY: amounts,
        FieldType.TIME: instants,
        FieldType.TEXTS: lambda: st.frozensets(names(), max_size=3),
        FieldType.DATA: lambda: st.sampled_from(("{}", '{"colors":["#ff0000"]}', '[1,2.5,"x"]')),
    }
    return by_type[schema.type]()


def field_sets(
    schemas: Mapping[str, FieldSchema],
    *,
    required: Mapping[str, st.SearchStrategy[Value]],
    only: Collection[str] | None = None,
    most: int = 12,
) -> st.SearchStrategy[dict[str, Value]]:
    """Some of the fields, never references; the required ones always."""
    free = [
        name
        for name, schema in schemas.items()
        if schema.kind is None
        and schema.part is None
        and schema.type not in {FieldType.REF, FieldType.REFS}
        and name not in required
        and (only is None or name in only)
    ]

    @st.composite
    def drawn(draw: st.DrawFn) -> dict[str, Value]:
        fields = {name: draw(strategy) for name, strategy in required.items()}
        for name in draw(st.lists(st.sampled_from(free), unique=True, max_size=most)) if free else ():
            fields[name] = draw(value_of(name, schemas[name]))
        return fields

    return drawn()


# --- records ----------------------------------------------------------------------------------------------------------


@st.composite
def categories(
    draw: st.DrawFn,
    *,
    key: str = "1",
    parents: Sequence[str] = (),
    name: str | None = None,
    fields: Collection[str] | None = None,
) -> Record:
    """One category, perhaps below one of ``parents``."""
    drawn = draw(field_sets(SCHEMAS[Kind.CATEGORY].fields, required={"name": _name(name)}, only=fields, most=6))
    drawn["parent"] = draw(st.none() | st.sampled_from(parents)) if parents else None
    return Record(kind=Kind.CATEGORY, key=Key(key), fields=drawn, title=str(drawn["name"]))


@st.composite
def brands(
    draw: st.DrawFn, *, key: str = "1", name: str | None = None, fields: Collection[str] | None = None
) -> Record:
    """One brand."""
    drawn = draw(field_sets(SCHEMAS[Kind.BRAND].fields, required={"name": _name(name)}, only=fields, most=4))
    return Record(kind=Kind.BRAND, key=Key(key), fields=drawn, title=str(drawn["name"]))


@st.composite
def products(
    draw: st.DrawFn,
    *,
    key: str = "1",
    name: str | None = None,
    sku: str | None = None,
    category_keys: Sequence[str] = (),
    brand_keys: Sequence[str] = (),
    product_keys: Sequence[str] = (),
    fields: Collection[str] | None = None,
    variant_fields: Collection[str] | None = None,
    with_parts: bool = True,
) -> Record:
    """One product, whole: options, their values, variants for some of their combinations, images."""
    drawn = draw(
        field_sets(
            {n: s for n, s in SCHEMAS[Kind.PRODUCT].fields.items() if n != "listing_state"},
            required={
                "name": _name(name),
                "sku": st.just(sku) if sku is not None else skus(),
                "type": st.just("physical"),
                "price": amounts(),
                "weight": amounts(most=50),
            },
            only=fields,
        )
    )
    if category_keys and _wants("categories", fields):
        drawn["categories"] = draw(st.frozensets(st.sampled_from(category_keys), max_size=3))
    if brand_keys and _wants("brand", fields):
        drawn["brand"] = draw(st.none() | st.sampled_from(brand_keys))
    if product_keys and _wants("related", fields):
        drawn["related"] = draw(st.frozensets(st.sampled_from(product_keys), max_size=2))
    parts = draw(part_sets(str(drawn["sku"]), key=key, variant_fields=variant_fields)) if with_parts else {}
    return Record(
        kind=Kind.PRODUCT,
        key=Key(key),
        fields=drawn,
        parts=parts,
        matches=(f"sku:{drawn['sku']}", f"name:{drawn['name']}"),
        currency="USD",
        title=str(drawn["name"]),
    )


def _wants(name: str, only: Collection[str] | None) -> bool:
    return only is None or name in only


def _name(name: str | None) -> st.SearchStrategy[Value]:
    return names() if name is None else st.just(name)


@st.composite
def part_sets(
    draw: st.DrawFn, stem: str, *, key: str = "1", variant_fields: Collection[str] | None = None
) -> dict[str, Mapping[str, Fields]]:
    """All collections of one product; SKUs of variants start with ``stem``, keys of parts with the product's."""
    options: dict[str, Fields] = {}
    values: dict[str, Fields] = {}
    labels_of: list[list[str]] = []
    for i, name in enumerate(draw(st.lists(names(), max_size=2, unique_by=str.casefold))):
        option = f"{key}{i}"
        options[option] = {"name": name, "type": draw(st.sampled_from(OPTION_TYPES)), "sort_order": i}
        labels = draw(st.lists(names(), min_size=1, max_size=3, unique_by=str.casefold))
        labels_of.append([])
        for j, label in enumerate(labels):
            value = f"{option}{j}"
            labels_of[i].append(value)
            values[value] = {"option": option, "label": label, "sort_order": j, "is_default": False}
    return {
        "options": options,
        "option_values": values,
        "variants": draw(_variants(stem, key, [frozenset(c) for c in combinations(*labels_of)], variant_fields))
        if options
        else {},
        "images": draw(_images(key)),
    }


@st.composite
def _variants(
    draw: st.DrawFn, stem: str, key: str, combined: Sequence[frozenset[str]], only: Collection[str] | None
) -> dict[str, Fields]:
    chosen = draw(st.lists(st.sampled_from(range(len(combined))), unique=True, min_size=1))
    schema = {n: s for n, s in SCHEMAS[Kind.PRODUCT].parts["variants"].fields.items() if n != "image_url"}
    return {
        f"{key}{i}": draw(
            field_sets(
                schema,
                required={"sku": st.just(f"{stem}-{i}"), "option_values": st.just(combined[i])},
                only=only,
                most=4,
            )
        )
        for i in chosen
    }


@st.composite
def _images(draw: st.DrawFn, key: str) -> dict[str, Fields]:
    pictures = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=3))
    return {
        f"{key}{i}": {
            "content": content_hash_of(picture),
            "url": f"https://pictures.invalid/{content_hash_of(picture)}",
            "description": draw(texts()),
            "sort_order": i,
            "is_thumbnail": i == 0,
        }
        for i, picture in enumerate(pictures)
    }


def records(kind: Kind | None = None) -> st.SearchStrategy[Record]:
    """One record of this kind, or of any; without references to others."""
    by_kind = {Kind.CATEGORY: categories(), Kind.BRAND: brands(), Kind.PRODUCT: products()}
    return by_kind[kind] if kind else st.one_of(*by_kind.values())


# --- catalogues -------------------------------------------------------------------------------------------------------


class Catalogue(msgspec.Struct, frozen=True):
    """Records that refer to each other, in an order in which they can be created."""

    records: tuple[Record, ...]

    def of(self, kind: Kind) -> list[Record]:
        return [record for record in self.records if record.kind is kind]


@st.composite
def catalogues(
    draw: st.DrawFn,
    *,
    most_categories: int = 4,
    most_brands: int = 3,
    most_products: int = 5,
    fields: Collection[str] | None = None,
    variant_fields: Collection[str] | None = None,
) -> Catalogue:
    """A small shop. No two records of a kind share a name, no two products a SKU."""
    found: list[Record] = []
    category_names = draw(_unique(names(), most_categories))
    for i, name in enumerate(category_names):
        found.append(draw(categories(key=f"{i + 1}", name=name, parents=[r.key for r in found], fields=fields)))
    category_keys = [r.key for r in found]
    brand_names = draw(_unique(names(), most_brands))
    made = [draw(brands(key=f"{i + 1}", name=name, fields=fields)) for i, name in enumerate(brand_names)]
    brand_keys = [r.key for r in made]
    product_names, product_skus = draw(_unique(names(), most_products)), draw(_unique(skus(), most_products))
    goods: list[Record] = []
    for i, (name, sku) in enumerate(zip(product_names, product_skus, strict=False)):
        product = products(
            key=f"{i + 1}",
            name=name,
            sku=f"{sku}-{i}",
            category_keys=category_keys,
            brand_keys=brand_keys,
            product_keys=[r.key for r in goods],
            fields=fields,
            variant_fields=variant_fields,
        )
        goods.append(draw(product))
    return Catalogue((*found, *made, *goods))


def _unique(strategy: st.SearchStrategy[str], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(strategy, max_size=most, unique_by=lambda text: text.strip().casefold())


# --- history ----------------------------------------------------------------------------------------------------------


@st.composite
def history_lines(draw: st.DrawFn, kind: Kind) -> FieldChange:
    """One line of history: of a field, of a part's field, or of a part as a whole."""
    schema = SCHEMAS[kind]
    collections = sorted(schema.parts)
    collection = draw(st.none() | st.sampled_from(collections)) if collections else None
    if collection is None:
        name = draw(st.sampled_from(sorted(schema.fields)))
        return draw(_line(name, schema.fields[name]))
    key = draw(st.from_regex(r"\+?[0-9]{1,4}", fullmatch=True))
    name = draw(st.sampled_from(["", *sorted(schema.parts[collection].fields)]))
    if not name:
        had = draw(st.booleans())
        return FieldChange(f"{collection}/{key}", None, None, had=had, has=not had)
    return draw(_line(f"{collection}/{key}/{name}", schema.parts[collection].fields[name]))


def _line(path: str, schema: FieldSchema) -> st.SearchStrategy[FieldChange]:
    name = path.rpartition("/")[2]
    if schema.type in {FieldType.REF, FieldType.PART}:
        value: st.SearchStrategy[Value] = st.none() | st.integers(1, 99).map(str)
    elif schema.type in {FieldType.REFS, FieldType.PARTS}:
        value = st.frozensets(st.integers(1, 99).map(str), max_size=3)
    else:
        value = st.none() | value_of(name, schema)
    return st.builds(FieldChange, st.just(path), value, value, st.booleans(), st.booleans())
