"""Variants: per product, and in batches over all products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin import render
from storeweave.connectors.bigcommerce.twin.checks import VARIANT, checked
from storeweave.connectors.bigcommerce.twin.goods import Choice, Entry, Product, Variant
from storeweave.connectors.bigcommerce.twin.images import fetched_picture, image_urls
from storeweave.connectors.bigcommerce.twin.render import STATUS_PAGE, one
from storeweave.connectors.bigcommerce.twin.shop import Shop, paid
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

MOST_VARIANTS = 600
BATCH = 50
INVALID = "JSON data is missing or invalid"
PRODUCT_TOO = frozenset(VARIANT) - {"purchasing_disabled", "purchasing_disabled_message"}


def require_room(count: int) -> None:
    if count > MOST_VARIANTS:
        raise Refusal(422, "A product has at most 600 variants", {"variants": f"{count} are too many"})


def new_variant(shop: Shop, product: Product, body: Any, choices: tuple[Choice, ...]) -> Variant:
    """A variant from its body; where it has no price of its own the product's counts."""
    fields = checked(VARIANT, body)
    variant = Variant(id=shop.next_id("variant"), product_id=product.id, option_values=choices, **fields)
    return derived(product, _pictured(shop, variant, body))


def derived(product: Product, variant: Variant) -> Variant:
    """The variant with the fields that follow from others."""
    price = product.price if variant.price is None else variant.price
    sale = (
        variant.sale_price if variant.sale_price is not None else (product.sale_price if variant.price is None else 0)
    )
    return replace(
        variant,
        calculated_price=paid(price, sale),
        calculated_weight=product.weight if variant.weight is None else variant.weight,
        sku_id=variant.id if variant.sku else None,
    )


def _pictured(shop: Shop, variant: Variant, body: Any) -> Variant:
    url = body.get("image_url")
    if url is None or url == variant.image_url:
        return variant
    if not url:
        shop.variant_pictures.pop(variant.id, None)
        return replace(variant, image_url="")
    picture = fetched_picture(shop, url)
    shop.variant_pictures[variant.id] = picture
    return replace(variant, image_url=f"{shop.origin}/img/variants/{variant.id}/zoom/{picture[:16]}.png")


def saved(shop: Shop, entry: Entry, variant: Variant, body: Any) -> tuple[Entry, Variant]:
    """Change one variant, store the product and announce it."""
    fields = checked(VARIANT, body)
    after = _pictured(shop, replace(variant, **fields), body)
    if not entry.has_choices:
        entry = replace(
            entry,
            product=replace(
                entry.product,
                **{
                    name: value if value is not None else 0
                    for name, value in fields.items()
                    if name in PRODUCT_TOO and name != "sku"
                },
                sku=fields.get("sku", entry.product.sku),
            ),
            variants=(after,),
        )
    else:
        after = derived(entry.product, after)
        entry = replace(entry, variants=tuple(after if old.id == after.id else old for old in entry.variants))
    shop.require_unique(entry)
    entry = shop.put(entry, moves_date=shop.settings.parts_move_date)
    after = find(entry, after.id)
    if after != variant:
        shop.announcer.sku("updated", entry.product.id, after.id)
        if after.inventory_level != variant.inventory_level:
            announce_stock(shop, entry, after)
    return entry, after


def announce_stock(shop: Shop, entry: Entry, variant: Variant, *, by_order: int | None = None) -> None:
    """Announce the product's or the variant's stock, by what the product tracks. ``by_order``: what an order took."""
    tracking = entry.product.inventory_tracking
    if not entry.has_choices or tracking == "product":
        shop.announcer.product_stock(entry.product.id, variant.inventory_level, by_order=by_order)
    elif tracking == "variant":
        shop.announcer.sku_stock(entry.product.id, variant.id, variant.inventory_level, by_order=by_order)
    shop.announcer.stock_changed(entry.product.id, variant.id)


def added(shop: Shop, entry: Entry, body: Any) -> tuple[Entry, Variant]:
    """Add one variant, store the product and announce it. The first one takes the base variant's place."""
    if not isinstance(body, dict) or not body.get("sku"):
        raise Refusal(422, INVALID, {"sku": "sku is required"})
    require_room((len(entry.variants) if entry.has_choices else 0) + 1)
    variant = new_variant(shop, entry.product, body, _chosen(entry, body.get("option_values")))
    others = entry.variants if entry.has_choices else ()
    wanted = {choice.id for choice in variant.option_values}
    if any(wanted == {choice.id for choice in other.option_values} for other in others):
        raise Refusal(409, "The variant is a duplicate", {"option_values": "a variant with these values exists"})
    entry = replace(entry, variants=(*others, variant))
    shop.require_unique(entry)
    entry = shop.put(entry, moves_date=shop.settings.parts_move_date)
    shop.note_creation(f"variant of product {entry.product.id}", variant.sku)
    shop.announcer.sku("created", entry.product.id, variant.id)
    return entry, variant


def _chosen(entry: Entry, bodies: Any) -> tuple[Choice, ...]:
    """One value of every option, named by ids or by names. Raises Refusal 422."""
    if not isinstance(bodies, list) or not bodies:
        raise Refusal(422, INVALID, {"option_values": "option_values is required"})
    chosen: dict[int, Choice] = {}
    for body in bodies:
        for option in entry.options:
            if body.get("option_id") != option.id and body.get("option_display_name") != option.display_name:
                continue
            for value in option.option_values:
                if body.get("id") == value.id or (body.get("id") is None and body.get("label") == value.label):
                    chosen[option.id] = Choice(value.id, value.label, option.id, option.display_name)
    if len(chosen) != len(entry.options) or len(bodies) != len(chosen):
        raise Refusal(422, INVALID, {"option_values": "exactly one existing value of every option is required"})
    shared = {choice: choice for variant in entry.variants for choice in variant.option_values}
    return tuple(shared.get(choice, choice) for choice in (chosen[option.id] for option in entry.options))


def find(entry: Entry, variant_id: int) -> Variant:
    for variant in entry.variants:
        if variant.id == variant_id:
            return variant
    raise Refusal(404, "The resource was not found.")


def list_of_product(shop: Shop, call: Call, product_id: int) -> Answer:
    entry = shop.shown(product_id)
    if entry is None:
        raise Refusal(404, "The resource was not found.")
    return render.paged(call, entry.variants)


def get_variant(shop: Shop, call: Call, product_id: int, variant_id: int) -> Answer:
    del call
    entry = shop.shown(product_id)
    if entry is None:
        raise Refusal(404, "The resource was not found.")
    return one(encode(find(entry, variant_id)))


def create_variant(shop: Shop, call: Call, product_id: int) -> Answer:
    return one(encode(added(shop, shop.entry(product_id), call.json())[1]))


def update_variant(shop: Shop, call: Call, product_id: int, variant_id: int) -> Answer:
    entry = shop.entry(product_id)
    return one(encode(saved(shop, entry, find(entry, variant_id), call.json())[1]))


def delete_variant(shop: Shop, call: Call, product_id: int, variant_id: int) -> Answer:
    """The last one leaves a base variant behind; a base variant cannot be deleted."""
    del call
    entry = shop.entry(product_id)
    find(entry, variant_id)
    if not entry.has_choices:
        raise Refusal(422, "The base variant cannot be deleted", {"id": "this is the base variant"})
    left = tuple(variant for variant in entry.variants if variant.id != variant_id)
    if not left:
        left = (Variant(id=shop.next_id("variant"), product_id=product_id),)
    shop.put(replace(entry, variants=left), moves_date=shop.settings.parts_move_date)
    shop.variant_pictures.pop(variant_id, None)
    shop.announcer.sku("deleted", product_id, variant_id)
    return Answer(204)


def set_variant_image(shop: Shop, call: Call, product_id: int, variant_id: int) -> Answer:
    entry = shop.entry(product_id)
    body = {"image_url": call.json().get("image_url")}
    _, variant = saved(shop, entry, find(entry, variant_id), body)
    return one(encode({"image_url": variant.image_url}))


def list_variants(shop: Shop, call: Call) -> Answer:
    page, limit = render.page_of(call)
    query = call.query
    if any(name in query for name in ("id", "id:in", "sku", "sku:in", "upc", "product_id", "product_id:in")):
        found = list(_matching(shop, query))
        total, chosen = len(found), found[(page - 1) * limit : page * limit]
    else:
        total, chosen = _slice(shop, (page - 1) * limit, limit)
    fields = render.chosen_fields(call, Variant.__struct_fields__)
    if fields is None:
        items = [encode(variant) for variant in chosen]
    else:
        items = [encode({name: getattr(variant, name) for name in fields}) for variant in chosen]
    return render.listed(items, total=total, count=len(items), page=page, limit=limit, query=call.query_string)


def _slice(shop: Shop, skip: int, limit: int) -> tuple[int, list[Variant]]:
    """Variants by product, without looking into products that are passed over."""
    total = 0
    chosen: list[Variant] = []
    if shop.lag.late_keys(shop.mono()):
        entries = [entry for entry in map(shop.shown, list(shop.order)) if entry is not None]
    else:
        entries = list(shop.entries.values())
    for entry in entries:
        count = len(entry.variants)
        if total + count > skip and len(chosen) < limit:
            chosen += entry.variants[max(0, skip - total) :][: limit - len(chosen)]
        total += count
    return total, chosen


def _matching(shop: Shop, query: dict[str, str]) -> Iterator[Variant]:
    ids = render.numbers(query, "id:in" if "id:in" in query else "id")
    products = render.numbers(query, "product_id:in" if "product_id:in" in query else "product_id")
    named = query.get("sku:in") or query.get("sku")
    skus = {sku.strip().lower() for sku in named.split(",")} if named else None
    upc = query.get("upc")
    if products is not None:
        owners = set(products)
    elif ids is not None:
        owners = {shop.variants[number] for number in ids if number in shop.variants}
    elif skus is not None:
        owners = {shop.skus[sku][0] for sku in skus if sku in shop.skus}
    else:
        owners = set(shop.order)
    owners.update(shop.lag.late_keys(shop.mono()))
    for product_id in sorted(owners):
        entry = shop.shown(product_id)
        for variant in entry.variants if entry is not None else ():
            if (
                (ids is None or variant.id in ids)
                and (products is None or product_id in products)
                and (skus is None or variant.sku.lower() in skus)
                and (upc is None or variant.upc == upc)
            ):
                yield variant


def update_variants(shop: Shop, call: Call) -> Answer:
    """Batch PUT: with an id it changes, with product_id and option_values it creates. One bad item spoils all."""
    bodies = call.json()
    if not isinstance(bodies, list) or not bodies:
        raise Refusal(422, INVALID, {"": "must be an array of variants"})
    if len(bodies) > BATCH:
        raise Refusal(413, f"At most {BATCH} variants in one batch")
    done: list[Variant] = []
    problems: list[dict[str, Any]] = []
    touched: dict[int, Entry] = {}
    with shop.all_or_nothing(touched):
        for at, body in enumerate(bodies):
            try:
                done.append(_upserted(shop, touched, body))
            except Refusal as refusal:
                errors = {f"{at}.{name}": text for name, text in (refusal.errors or {"id": refusal.title}).items()}
                problems.append(
                    {"status": refusal.status, "title": refusal.title, "type": STATUS_PAGE, "errors": errors}
                )
        if problems:
            raise BatchRefusal(problems)
    return one(b"[" + b",".join(encode(variant) for variant in done) + b"]")


def _upserted(shop: Shop, touched: dict[int, Entry], body: Any) -> Variant:
    if not isinstance(body, dict):
        raise Refusal(422, INVALID, {"": "must be an object"})
    variant_id = body.get("id")
    product_id = shop.variants.get(variant_id) if variant_id is not None else body.get("product_id")
    if not isinstance(product_id, int):
        raise Refusal(404, "The resource was not found.", {"id": f"there is no variant {variant_id}"})
    entry = shop.entry(product_id)
    touched.setdefault(product_id, entry)
    if variant_id is None:
        return added(shop, entry, body)[1]
    return saved(shop, entry, find(entry, variant_id), body)[1]


class BatchRefusal(Refusal):
    """A refused batch; the problems are listed by item."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__(422, INVALID)
        self.problems = problems


_MANY = "/catalog/products/{product_id}/variants"
_ONE = "/catalog/products/{product_id}/variants/{variant_id}"
ROUTES = [
    Route(method="GET", template=_MANY, handler=list_of_product),
    Route(method="POST", template=_MANY, handler=create_variant, needs=image_urls),
    Route(method="GET", template=_ONE, handler=get_variant),
    Route(method="PUT", template=_ONE, handler=update_variant, needs=image_urls),
    Route(method="DELETE", template=_ONE, handler=delete_variant),
    Route(method="POST", template=f"{_ONE}/image", handler=set_variant_image, needs=image_urls),
    Route(method="GET", template="/catalog/variants", handler=list_variants),
    Route(method="PUT", template="/catalog/variants", handler=update_variants, needs=image_urls),
]
