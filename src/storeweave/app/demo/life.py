"""A minute of a merchant's life: edits of every sort in store A, each awaited in store B."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from storeweave.app.demo.goods import BRAND, LOOM, LOOMS, ROOM, SHAWL, TERRACE, THROW, THROWS
from storeweave.app.demo.steps import Scene
from storeweave.app.demo.world import CHANNEL, World
from storeweave.connectors.bigcommerce.twin import BigCommerceTwin
from storeweave.connectors.bigcommerce.twin.goods import Product, Variant
from storeweave.connectors.bigcommerce.twin.merchant import MerchantError

NEW_CATEGORY, NEW_BRAND, NEW_SKU = "Yarns", "Spindle & Son", "YARN-01"
RENAMED = "SHAWL-2027"


def ordinary_life(world: World) -> Iterator[Scene]:
    """In this order; each scene is made when the one before it is over."""
    yield _nothing(world)
    yield from _edits(world)
    yield from _images(world)
    yield from _places(world)
    yield from _comings_and_goings(world)


def product(twin: BigCommerceTwin, sku: str) -> Product | None:
    """The product of that SKU as the store holds it; None when there is none."""
    try:
        return twin.merchant.product(sku).product
    except MerchantError:
        return None


def variant(twin: BigCommerceTwin, sku: str) -> Variant | None:
    """The variant of that SKU; None when there is none."""
    try:
        return twin.merchant.variant(sku)
    except MerchantError:
        return None


def pictures(twin: BigCommerceTwin, sku: str) -> list[str]:
    """What the product's images show, in their order."""
    shop = twin.shop
    images = sorted(twin.merchant.product(sku).images, key=lambda image: (image.sort_order, image.id))
    return [shop.pictures.content_hash(image.picture) for image in images]


def paths(twin: BigCommerceTwin) -> set[str]:
    """All categories by path."""
    return {" > ".join(twin.shop.category_path(number)) for number in twin.shop.categories}


def has(twin: BigCommerceTwin, sku: str, **fields: object) -> bool:
    """Whether the product is there with these fields."""
    found = product(twin, sku)
    return found is not None and all(getattr(found, name) == value for name, value in fields.items())


def rename(twin: BigCommerceTwin, sku: str, new_sku: str) -> None:
    """Give a product another SKU."""
    number = twin.merchant.product(sku).product.id
    twin.merchant.do("PUT", f"/catalog/products/{number}", {"sku": new_sku})


def _nothing(world: World) -> Scene:
    return Scene(
        name="nothing-changed",
        title="Nothing changed",
        detail="everything is compared once more",
        deed=lambda: None,
        nudge=world.sweep,
        by="full pass",
        seen=lambda: True,
        note=lambda: "a full pass costs reads by the page, and no write",
    )


def _edits(world: World) -> Iterator[Scene]:
    a, b = world.a, world.b
    price, text = Decimal("94.50"), "<p>Woven by hand on looms of 1890.</p>"
    yield Scene(
        name="price",
        title="Price edited",
        detail="throw 89.00 → 94.50 (20 variants, 10 images)",
        deed=lambda: a.merchant.edit_product(THROW, price=price),
        seen=lambda: has(b, THROW, price=price),
    )
    yield Scene(
        name="description",
        title="Description edited",
        detail="throw",
        deed=lambda: a.merchant.edit_product(THROW, description=text),
        seen=lambda: has(b, THROW, description=text),
    )
    yield Scene(
        name="new-variant",
        title="New variant",
        detail="throw in Indigo, XXL",
        deed=lambda: a.merchant.add_variant(THROW, "THROW-IND-XXL", {"Colour": "Indigo", "Size": "XXL"}),
        seen=lambda: variant(b, "THROW-IND-XXL") is not None,
    )
    yield Scene(
        name="variant-price",
        title="Variant price",
        detail="throw in Madder, XL → 104.00",
        deed=lambda: a.merchant.edit_variant("THROW-MAD-XL", price=Decimal(104)),
        seen=lambda: (found := variant(b, "THROW-MAD-XL")) is not None and found.price == 104,
    )


def _images(world: World) -> Iterator[Scene]:
    a, b = world.a, world.b
    yield Scene(
        name="new-image",
        title="New image",
        detail="table loom gets its first",
        deed=lambda: a.merchant.add_image(LOOM, "loom", is_thumbnail=True),
        seen=lambda: pictures(b, LOOM) == pictures(a, LOOM),
    )

    def reorder() -> None:
        a.merchant.edit_image(THROW, 9, sort_order=0, is_thumbnail=True)
        a.merchant.edit_image(THROW, 0, sort_order=9)

    yield Scene(
        name="image-order",
        title="Images reordered",
        detail="throw: last one first; no webhook tells",
        deed=reorder,
        nudge=world.sweep,
        by="sweep",
        seen=lambda: pictures(b, THROW) == pictures(a, THROW),
    )
    yield Scene(
        name="image-deleted",
        title="Image deleted",
        detail="throw: one of ten; no webhook tells",
        deed=lambda: a.merchant.delete_image(THROW, 4),
        nudge=world.sweep,
        by="sweep",
        seen=lambda: pictures(b, THROW) == pictures(a, THROW),
        note=lambda: "nine images are left alone: equal bytes are never uploaded again",
    )


def _places(world: World) -> Iterator[Scene]:
    a, b = world.a, world.b
    moved = f"{TERRACE} > Throws"
    yield Scene(
        name="category-moved",
        title="Category moved",
        detail=f"{THROWS} → {moved}",
        deed=lambda: a.merchant.move_category(THROWS, TERRACE),
        seen=lambda: moved in paths(b) and THROWS not in paths(b),
    )
    yield Scene(
        name="category-renamed",
        title="Category renamed",
        detail=f"{LOOMS.rpartition(' > ')[2]} → Looms & tools",
        deed=lambda: a.merchant.edit_category(LOOMS, name="Looms & tools"),
        seen=lambda: f"{ROOM} > Looms & tools" in paths(b) and LOOMS not in paths(b),
    )
    yield Scene(
        name="brand-renamed",
        title="Brand renamed",
        detail=f"{BRAND} → Heddle House & Co; no webhook tells",
        deed=lambda: a.merchant.rename_brand(BRAND, "Heddle House & Co"),
        nudge=world.hub.poll_all,
        by="poll",
        seen=lambda: {"heddle house & co"} <= set(b.shop.brand_names) and BRAND.lower() not in b.shop.brand_names,
    )


def _comings_and_goings(world: World) -> Iterator[Scene]:
    a, b = world.a, world.b

    def launch() -> None:
        category = a.merchant.create_category(NEW_CATEGORY)
        brand = int(a.merchant.do("POST", "/catalog/brands", {"name": NEW_BRAND})["id"])
        a.merchant.create_product("Silk yarn", NEW_SKU, Decimal("18.20"), categories=[category], brand_id=brand)
        a.merchant.set_listing(NEW_SKU, CHANNEL, "active")

    def launched() -> bool:
        found = product(b, NEW_SKU)
        if found is None or found.brand_id not in b.shop.brands:
            return False
        return [b.shop.categories[number].name for number in found.categories] == [NEW_CATEGORY]

    yield Scene(
        name="new-product",
        title="New product",
        detail="silk yarn, in a new category, of a new brand",
        deed=launch,
        seen=launched,
    )
    shawl = product(b, SHAWL)
    yield Scene(
        name="sku-renamed",
        title="SKU renamed",
        detail=f"{SHAWL} → {RENAMED}",
        deed=lambda: rename(a, SHAWL, RENAMED),
        seen=lambda: has(b, RENAMED, id=shawl.id if shawl else 0) and product(b, SHAWL) is None,
        note=lambda: f"followed by the crosswalk: still product {shawl.id if shawl else '?'} in B, no copy",
    )
    yield Scene(
        name="listing",
        title="Listing switched off",
        detail="table loom on channel B; no webhook tells",
        deed=lambda: a.merchant.set_listing(LOOM, CHANNEL, "disabled"),
        nudge=world.hub.poll_all,
        by="poll",
        seen=lambda: has(b, LOOM, availability="disabled"),
        note=lambda: "the channel rule: what is not listed there cannot be bought in B",
    )
    yield Scene(
        name="product-deleted",
        title="Product deleted",
        detail=f"{RENAMED}: hidden in B, not destroyed",
        deed=lambda: a.merchant.delete_product(RENAMED),
        seen=lambda: has(b, RENAMED, is_visible=False),
    )
