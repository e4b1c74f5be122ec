"""Lays a large, realistic catalogue into a store: the same seed and figures give the same catalogue, to the byte.

It writes values, not requests, so that 100,000 products take seconds; everything keeps to the limits that the API
enforces. Only ``Figures`` decide how much of what there is.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import islice, product

import msgspec

from storeweave.connectors.bigcommerce.twin.compose import slug
from storeweave.connectors.bigcommerce.twin.goods import (
    Brand,
    BulkRule,
    Category,
    Choice,
    CustomField,
    CustomUrl,
    Entry,
    Image,
    ListedVariant,
    Listing,
    Option,
    OptionValue,
    Product,
    Variant,
)
from storeweave.connectors.bigcommerce.twin.pictures import PictureStore
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.connectors.bigcommerce.twin.variants import derived
from storeweave.connectors.bigcommerce.twin.words import (
    ADJECTIVES,
    BRANDS,
    CATEGORIES,
    COLOURS,
    FIELDS,
    MATERIALS,
    SENTENCES,
    SIZES,
    THINGS,
)
from storeweave.twinkit.wire import Number, rounded


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what. Shares are of the products, means are per product (or per product that has any)."""

    products: int = 50
    categories: int | None = None  # default: grows with the products, from 12 to 1,500
    brands: int | None = None  # default: grows with the products, from 6 to 400
    with_options: float = 0.45
    mean_variants: float = 4.0  # of those with options; a few have far more
    giants: bool = True  # some products with hundreds of variants, and one with 600 from 1,000 products on
    mean_images: float = 0.7
    without_sku: float = 0.01
    variants_without_sku: float = 0.005
    digital: float = 0.04
    with_fields: float = 0.25
    with_rules: float = 0.05
    unicode: float = 0.15
    listed: float = 0.6  # on the second channel, if there is one
    description_sentences: int = 5
    exact_variants: int | None = None  # every product has exactly so many (0: none has options)
    exact_images: int | None = None


def lay_in(shop: Shop, figures: Figures, rng: random.Random) -> None:
    """Fill the store. No webhooks are sent, nothing lags, and no creation is counted."""
    was_muted, shop.announcer.muted = shop.announcer.muted, True
    lag_s, shop.lag.lag_s = shop.lag.lag_s, 0.0
    try:
        _Layer(shop, figures, rng).lay()
    finally:
        shop.announcer.muted, shop.lag.lag_s = was_muted, lag_s


class _Layer:
    def __init__(self, shop: Shop, figures: Figures, rng: random.Random) -> None:
        self._shop = shop
        self._figures = figures
        self._rng = rng
        self._stamp = shop.stamp()
        self._categories: list[int] = []
        self._brands: list[int] = []
        self._names: set[str] = set(shop.names)

    def lay(self) -> None:
        figures = self._figures
        self._lay_categories(figures.categories or min(12 + figures.products // 25, 1500))
        self._lay_brands(figures.brands or min(6 + figures.products // 60, 400))
        for number in range(figures.products):
            self._lay_product(number)

    def _lay_categories(self, count: int) -> None:
        rng = self._rng
        levels: list[list[int]] = [[] for _ in range(7)]
        taken: set[tuple[int, str]] = set()
        for number in range(count):
            # The first seven go straight down, so that even a small store has depth.
            level = number if number < len(levels) else min(int(rng.expovariate(0.7)), len(levels) - 1)
            parent = rng.choice(levels[level - 1]) if level else 0
            name = CATEGORIES[number % len(CATEGORIES)]
            if number >= len(CATEGORIES) or (parent, name) in taken:
                name = f"{rng.choice(ADJECTIVES)} {name} {number}"
            taken.add((parent, name))
            category_id = self._shop.next_id("category")
            path = "/".join(slug(part) for part in (*self._shop.category_path(parent), name))
            self._shop.put_category(
                Category(
                    id=category_id,
                    uuid=f"{rng.getrandbits(32):08x}-0000-4000-8000-{category_id:012x}",
                    tree_id=1,
                    parent_id=parent,
                    name=name[:50],
                    description=f"<p>{rng.choice(SENTENCES)}</p>" if rng.random() < 0.5 else "",
                    sort_order=number % 20,
                    is_visible=rng.random() > 0.03,
                    page_title=name[:50] if rng.random() < 0.3 else "",
                    url=CustomUrl(f"/{path}-{number}/"),
                )
            )
            levels[level].append(category_id)
            self._categories.append(category_id)

    def _lay_brands(self, count: int) -> None:
        for number in range(count):
            name = BRANDS[number] if number < len(BRANDS) else f"{BRANDS[number % len(BRANDS)]} {number}"
            brand_id = self._shop.next_id("brand")
            url = CustomUrl(f"/brands/{slug(name)}-{number}/")
            self._shop.put_brand(Brand(id=brand_id, name=name, page_title=name, custom_url=url))
            self._brands.append(brand_id)

    def _lay_product(self, number: int) -> None:
        rng, figures, shop = self._rng, self._figures, self._shop
        product_id = shop.next_id("product")
        name = self._name(number)
        sku = "" if rng.random() < figures.without_sku else f"SW-{number + 1:06d}"
        price = _price(rng)
        is_digital = rng.random() < figures.digital
        chance = rng.random()
        goods = Product(
            id=product_id,
            name=name,
            type="digital" if is_digital else "physical",
            sku=sku,
            description=self._description(),
            weight=0 if is_digital else _tidy(rng.randrange(1, 80_000), 4),
            width=_tidy(rng.randrange(0, 4000), 2),
            depth=_tidy(rng.randrange(0, 4000), 2),
            height=_tidy(rng.randrange(0, 4000), 2),
            price=price,
            cost_price=_share(price, 55) if chance < 0.7 else 0,
            retail_price=_share(price, 125) if chance < 0.4 else 0,
            sale_price=_share(price, 85) if chance < 0.15 else 0,
            categories=tuple(sorted({rng.choice(self._categories) for _ in range(1 + int(rng.random() * 3))})),
            brand_id=rng.choice(self._brands) if rng.random() < 0.9 else 0,
            inventory_level=rng.randrange(0, 500),
            inventory_warning_level=5,
            is_free_shipping=chance < 0.05,
            is_visible=chance > 0.02,
            is_featured=0.5 < chance < 0.53,
            warranty="Two years." if chance < 0.1 else "",
            bin_picking_number=f"B{number % 997:03d}",
            upc=f"{400000000000 + number:012d}" if chance < 0.8 else "",
            mpn=f"MPN-{number}" if chance < 0.3 else "",
            search_keywords=f"{name.split()[0].lower()}, loom" if chance < 0.3 else "",
            availability="disabled" if 0.95 < chance < 0.97 else "available",
            condition="Used" if chance > 0.97 else "New",
            order_quantity_maximum=10 if 0.2 < chance < 0.25 else 0,
            page_title=name[:200] if chance < 0.2 else "",
            meta_keywords=("loom", "weave") if chance < 0.2 else (),
            meta_description=SENTENCES[number % len(SENTENCES)] if chance < 0.2 else "",
            sort_order=number % 30,
            custom_url=CustomUrl(f"/{slug(name)}-{number}/"),
            date_created=self._stamp,
        )
        entry = self._with_variants(goods, number)
        entry = msgspec.structs.replace(
            entry,
            images=self._images(product_id, number, slug(name)[:30]),
            custom_fields=self._fields(),
            bulk_pricing_rules=self._rules(),
        )
        self._lay_listing(shop.put(entry))

    def _name(self, number: int) -> str:
        rng = self._rng
        adjective, thing, material = rng.choice(ADJECTIVES), rng.choice(THINGS), rng.choice(MATERIALS)
        name = f"{adjective} {material} {thing}"
        if rng.random() < self._figures.unicode:
            name = f"{rng.choice(('Ægir', '山茶', 'Žluťoučký', 'Ελιά', 'Łódź', '🧵 Été', 'Ñandú', 'Größe'))} {name}"
        if name.lower() in self._names:
            name = f"{name} {number + 1}"
        self._names.add(name.lower())
        return name

    def _description(self) -> str:
        rng = self._rng
        chosen = [rng.choice(SENTENCES) for _ in range(self._figures.description_sentences)]
        if len(chosen) < 2:
            return "".join(chosen)
        return f"<p>{' '.join(chosen[:2])}</p><ul>{''.join(f'<li>{text}</li>' for text in chosen[2:])}</ul>"

    def _with_variants(self, goods: Product, number: int) -> Entry:
        count = self._variant_count(number)
        if not count:
            base = Variant(id=self._shop.next_id("variant"), product_id=goods.id)
            return Entry(product=goods, variants=(base,))
        rng, shop = self._rng, self._shop
        tracked = rng.random() < 0.8
        goods = msgspec.structs.replace(goods, inventory_tracking="variant" if tracked else "none")
        options = self._options(goods.id, count)
        choices = [
            [Choice(value.id, value.label, option.id, option.display_name) for value in option.option_values]
            for option in options
        ]
        price = goods.price
        variants = []
        for at, chosen in enumerate(islice(product(*choices), count)):
            no_sku = not goods.sku or rng.random() < self._figures.variants_without_sku
            variant = Variant(
                id=shop.next_id("variant"),
                product_id=goods.id,
                sku="" if no_sku else f"{goods.sku}-{at + 1:03d}",
                price=price + at % 7 if at % 3 == 0 else None,
                weight=_tidy(rng.randrange(1, 80_000), 4) if at % 11 == 5 else None,
                upc=f"{500000000000 + number * 1000 + at:012d}" if at % 2 else "",
                inventory_level=rng.randrange(0, 50) if tracked else 0,
                bin_picking_number=f"V{at % 99:02d}" if at % 5 == 0 else "",
                purchasing_disabled=at % 41 == 40,
                option_values=chosen,
            )
            variants.append(derived(goods, variant))
        return Entry(product=goods, variants=tuple(variants), options=options)

    def _variant_count(self, number: int) -> int:
        figures, rng = self._figures, self._rng
        if figures.exact_variants is not None:
            return figures.exact_variants
        if figures.giants and figures.products >= 1000 and number == 500:
            return 600
        if figures.giants and rng.random() < 0.0005:
            return rng.randrange(100, 500)
        if rng.random() >= figures.with_options:
            return 0
        return 1 + min(int(rng.expovariate(1 / max(figures.mean_variants - 1, 0.01))), 80)

    def _options(self, product_id: int, count: int) -> tuple[Option, ...]:
        """As many options as it takes to make ``count`` different variants."""
        scales: list[tuple[str, str, Sequence[str]]] = [
            ("Colour", "swatch", COLOURS),
            ("Size", "rectangles", SIZES),
            ("Material", "dropdown", MATERIALS),
        ]
        if count <= 6:
            scales = [self._rng.choice(scales)]
        elif count <= 60:
            scales = scales[:2]
        options = []
        left = count
        for at, (name, sort, labels) in enumerate(scales):
            others = 1
            for _, _, other in scales[at + 1 :]:
                others *= len(other)
            size = min(len(labels), max(1, -(-left // others))) if at < len(scales) - 1 else min(left, len(labels))
            if at == 0 and len(scales) > 1:
                size = max(size, min(3, len(labels)))
            values = tuple(
                OptionValue(
                    id=self._shop.next_id("option_value"),
                    label=label,
                    sort_order=place,
                    value_data=_SWATCHES[place % 2] if sort == "swatch" else _NULL,
                    is_default=place == 0 and at == 1,
                )
                for place, label in enumerate(labels[:size])
            )
            options.append(
                Option(
                    id=self._shop.next_id("option"),
                    product_id=product_id,
                    name=f"{name}{product_id}",
                    display_name=name,
                    type=sort,
                    sort_order=at,
                    option_values=values,
                )
            )
            left = -(-left // size)
        return tuple(options)

    def _images(self, product_id: int, number: int, stem: str) -> tuple[Image, ...]:
        mean = self._figures.mean_images
        count = self._figures.exact_images
        if count is None:
            count = min(int(self._rng.expovariate(1 / mean) + 0.5), 12) if mean > 0 else 0
        images = []
        for at in range(count):
            image_id = self._shop.next_id("image")
            images.append(
                Image(
                    id=image_id,
                    product_id=product_id,
                    picture=PictureStore.seeded(f"{number}/{at}/{self._rng.getrandbits(32):08x}"),
                    image_file=f"{stem[0]}/{image_id % 1000:03d}/{stem}__{image_id:05d}.png",
                    is_thumbnail=at == 0,
                    sort_order=at,
                    description=f"View {at + 1}" if at % 2 else "",
                    date_modified=self._stamp,
                )
            )
        return tuple(images)

    def _fields(self) -> tuple[CustomField, ...]:
        if self._rng.random() >= self._figures.with_fields:
            return ()
        chosen = self._rng.sample(FIELDS, 1 + int(self._rng.random() * 3))
        return tuple(
            CustomField(self._shop.next_id("custom_fields"), name, self._rng.choice(values)) for name, values in chosen
        )

    def _rules(self) -> tuple[BulkRule, ...]:
        if self._rng.random() >= self._figures.with_rules:
            return ()
        return tuple(
            BulkRule(
                id=self._shop.next_id("bulk_pricing_rules"),
                quantity_min=least,
                quantity_max=most,
                type="percent",
                amount=off,
            )
            for least, most, off in ((10, 49, 5), (50, 0, Decimal("7.5")))
        )

    def _lay_listing(self, entry: Entry) -> None:
        """On the second channel, in one of three states."""
        shop = self._shop
        second = next((number for number in shop.channels if number != 1), None)
        if second is None or self._rng.random() >= self._figures.listed:
            return
        product_id = entry.product.id
        listing_id = shop.next_id("listing")
        chance = self._rng.random()
        state = "active" if chance < 0.8 else ("disabled" if chance < 0.95 else "pending")
        shop.listings.setdefault(second, {})[listing_id] = Listing(
            channel_id=second,
            listing_id=listing_id,
            product_id=product_id,
            state=state,
            name=entry.product.name,
            date_created=self._stamp,
            date_modified=self._stamp,
            variants=tuple(
                ListedVariant(
                    channel_id=second,
                    product_id=product_id,
                    variant_id=variant.id,
                    state="disabled" if state == "disabled" else "active",
                    date_created=self._stamp,
                    date_modified=self._stamp,
                )
                for variant in entry.variants[:3]
            ),
        )
        shop.listed[second, product_id] = listing_id


_NULL = msgspec.Raw(b"null")
_SWATCHES = (msgspec.Raw(b'{"colors":["#1F3A93"]}'), msgspec.Raw(b'{"colors":["#C0392B","#F1C40F"]}'))


def _price(rng: random.Random) -> Number:
    """Mostly x.99 or x.50, some with four places."""
    chance = rng.random()
    whole = int(rng.lognormvariate(3.2, 1.0)) + 1
    if chance < 0.15:
        return _tidy(whole * 10_000 + rng.randrange(1, 10_000), 4)
    if chance < 0.6:
        return _tidy(whole * 100 + 99, 2)
    return whole if chance < 0.8 else _tidy(whole * 100 + 50, 2)


def _share(price: Number, percent: int) -> Number:
    return _tidy(int(price * percent), 2)


@lru_cache(maxsize=200_000)  # equal numbers are one object: a large catalogue stays small
def _tidy(units: int, places: int) -> Number:
    """``units`` of the last decimal place, as an int when it is whole and without trailing zeros."""
    scale: int = 10**places
    whole, rest = divmod(units, scale)
    if not rest:
        return whole
    return rounded(Decimal(units).scaleb(-places), places)
