"""Plain records for the contract suite, and one edit for every field that a system may store."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from storeweave.connectors.memory.shop import content_hash_of
from storeweave.model.kinds import Key, Kind
from storeweave.model.records import Record, Value

EDITS: Mapping[Kind, Mapping[str, Value]] = {
    Kind.CATEGORY: {
        "name": "Cups",
        "description": "<p>All cups</p>",
        "sort_order": 7,
        "is_visible": False,
        "page_title": "Cups of all sizes",
        "meta_keywords": frozenset({"cup", "mug"}),
        "meta_description": "Cups",
        "search_keywords": "cup",
    },
    Kind.BRAND: {
        "name": "Acme & Sons",
        "page_title": "Acme's things",
        "meta_keywords": frozenset({"acme"}),
        "meta_description": "By Acme",
        "search_keywords": "acme",
    },
    Kind.PRODUCT: {
        "name": "Großer Becher",
        "sku": "OTHER-1",
        "description": "<p>New &amp; better</p>",
        "weight": Decimal("2.5"),
        "width": Decimal(3),
        "depth": Decimal("4.25"),
        "height": Decimal(5),
        "price": Decimal("21.4999"),
        "cost_price": Decimal("8.1"),
        "retail_price": Decimal(30),
        "sale_price": Decimal("18.5"),
        "map_price": Decimal(17),
        "is_visible": False,
        "is_featured": True,
        "is_free_shipping": True,
        "warranty": "2 years",
        "bin_picking_number": "B-7",
        "upc": "012345678905",
        "gtin": "01234567890128",
        "mpn": "MPN-9",
        "search_keywords": "becher",
        "availability": "disabled",
        "availability_description": "soon",
        "sort_order": 3,
        "condition": "Used",
        "is_condition_shown": True,
        "order_quantity_minimum": 2,
        "order_quantity_maximum": 20,
        "page_title": "The big one",
        "meta_keywords": frozenset({"big", "cup"}),
        "meta_description": "Holds a lot",
        "custom_fields": frozenset({("Material", "Clay"), ("Volume", "0.5 l")}),
        "open_graph_title": "Big cup",
    },
}
VARIANT_EDITS: Mapping[str, Value] = {
    "sku": "OTHER-1-S",
    "price": Decimal("22.0001"),
    "sale_price": Decimal(20),
    "weight": Decimal("2.75"),
    "upc": "012345678912",
    "purchasing_disabled": True,
}
IMAGE_EDITS: Mapping[str, Value] = {"description": "from the left", "sort_order": 9}


def category(name: str = "Mugs", *, key: str = "1", parent: Key | None = None) -> Record:
    fields: dict[str, Value] = {"name": name, "parent": parent, "description": "<p>Mugs</p>", "is_visible": True}
    return Record(kind=Kind.CATEGORY, key=Key(key), fields=fields, title=name)


def brand(name: str = "Acme", *, key: str = "1") -> Record:
    return Record(kind=Kind.BRAND, key=Key(key), fields={"name": name, "page_title": name}, title=name)


def product(name: str = "Mug", *, key: str = "1", sku: str | None = None, bare: bool = False) -> Record:
    """A product with two options, three of four combinations, and three images; ``bare``: without any parts."""
    sku = f"SKU-{key}" if sku is None else sku
    fields: dict[str, Value] = {
        "name": name,
        "sku": sku,
        "type": "physical",
        "weight": Decimal("0.4"),
        "price": Decimal("19.99"),
        "description": "<p>Holds tea</p>",
    }
    parts: dict[str, dict[str, dict[str, Value]]] = {}
    if not bare:
        parts = {
            "options": {
                "1": {"name": "Size", "type": "dropdown", "sort_order": 0},
                "2": {"name": "Colour", "type": "rectangles", "sort_order": 1},
            },
            "option_values": {
                "11": {"option": "1", "label": "Small", "sort_order": 0, "is_default": False},
                "12": {"option": "1", "label": "Large", "sort_order": 1, "is_default": False},
                "21": {"option": "2", "label": "Red", "sort_order": 0, "is_default": False},
                "22": {"option": "2", "label": "Blue", "sort_order": 1, "is_default": False},
            },
            "variants": {
                "1": {"sku": f"{sku}-SR", "option_values": frozenset({"11", "21"}), "price": Decimal("18.5")},
                "2": {"sku": f"{sku}-SB", "option_values": frozenset({"11", "22"})},
                "3": {"sku": f"{sku}-LR", "option_values": frozenset({"12", "21"}), "weight": Decimal("0.6")},
            },
            "images": {
                str(i): {
                    "content": content_hash_of(letter),
                    "url": f"https://pictures.invalid/{content_hash_of(letter)}",
                    "description": f"view {i}",
                    "sort_order": i,
                    "is_thumbnail": i == 0,
                }
                for i, letter in enumerate("abc")
            },
        }
    return Record(kind=Kind.PRODUCT, key=Key(key), fields=fields, parts=parts, currency="USD", title=name)


def sample(kind: Kind, number: int = 1) -> Record:
    """A record of a kind; those of different numbers share no name and no SKU."""
    name, key = f"Thing {number}", str(number)
    if kind is Kind.CATEGORY:
        return category(name, key=key)
    return brand(name, key=key) if kind is Kind.BRAND else product(name, key=key)
