"""What store A sells when the demo begins: a seeded catalogue, and the few goods that the story is about."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from storeweave.app.demo.world import CHANNEL
from storeweave.connectors.bigcommerce.twin import BigCommerceTwin, Figures, lay_in

THROW = "THROW"
"""Twenty variants, ten images."""
LOOM = "LOOM"
"""No variants, no image."""
SHAWL = "SHAWL"
REMNANTS = tuple(f"REM-{number:02d}" for number in range(1, 31))
"""Goods that are sold off together."""
ORDINARY = 8
"""How many further goods the story needs from the catalogue."""
FEWEST_PRODUCTS = 80
"""With fewer, the sell-off would halve the shop, and the hub would rightly doubt every listing after it."""

COLOURS, SIZES = ("Indigo", "Madder", "Weld", "Walnut", "Undyed"), ("S", "M", "L", "XL")
ROOM, THROWS, LOOMS, TERRACE = "Weaving room", "Weaving room > Throws", "Weaving room > Looms", "Terrace"
BRAND = "Heddle & Daughters"


def stock_up(twin: BigCommerceTwin, products: int, rng: Random) -> None:
    """Fill the store with exactly so many products (at least FEWEST_PRODUCTS). Readers see all of it at once."""
    lag_s, twin.shop.lag.lag_s = twin.shop.lag.lag_s, 0.0
    try:
        _stock_up(twin, products, rng)
    finally:
        twin.shop.lag.lag_s = lag_s


def _stock_up(twin: BigCommerceTwin, products: int, rng: Random) -> None:
    merchant = twin.merchant
    figures = Figures(
        products=products - len(REMNANTS) - 3, mean_images=1.5, giants=False, without_sku=0.0, listed=0.85
    )
    lay_in(twin.shop, figures, rng)
    ids = {path: merchant.create_category(path) for path in (ROOM, THROWS, LOOMS, TERRACE)}
    brand = int(merchant.do("POST", "/catalog/brands", {"name": BRAND})["id"])
    merchant.create_product(
        "Handwoven throw",
        THROW,
        Decimal("89.00"),
        description="<p>Woven by hand on old looms.</p>",
        categories=[ids[THROWS]],
        brand_id=brand,
    )
    for colour in COLOURS:
        for size in SIZES:
            merchant.add_variant(THROW, f"{THROW}-{colour.upper()[:3]}-{size}", {"Colour": colour, "Size": size})
    for number in range(10):
        merchant.add_image(THROW, f"throw-{number}", sort_order=number, is_thumbnail=number == 0)
    merchant.create_product("Table loom", LOOM, Decimal("240.00"), categories=[ids[LOOMS]], brand_id=brand)
    merchant.create_product("Evening shawl", SHAWL, Decimal("64.00"), categories=[ids[ROOM]])
    for number, sku in enumerate(REMNANTS, 1):
        merchant.create_product(f"Remnant no. {number}", sku, Decimal(6), categories=[ids[ROOM]])
    for sku in (THROW, LOOM, SHAWL):
        merchant.set_listing(sku, CHANNEL, "active")


def ordinary_goods(twin: BigCommerceTwin, many: int) -> list[str]:
    """SKUs of catalogue goods that the story may change, the cheap ones left out."""
    ours = {THROW, LOOM, SHAWL, *REMNANTS}
    found = [
        entry.product.sku
        for entry in twin.shop.entries.values()
        if entry.product.sku and entry.product.sku not in ours and entry.product.price > 10
    ]
    return found[:many]
