"""Products: listing, one by one, batches, deletion. What a body makes of a product is in ``compose``."""

from __future__ import annotations

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin import render
from storeweave.connectors.bigcommerce.twin.compose import Composed, changed, composed
from storeweave.connectors.bigcommerce.twin.goods import Entry
from storeweave.connectors.bigcommerce.twin.images import image_urls
from storeweave.connectors.bigcommerce.twin.render import STARVED_PARTS, View, one, rendered, saved_in_part, view_of
from storeweave.connectors.bigcommerce.twin.select import is_filtered, select
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.connectors.bigcommerce.twin.variants import announce_stock
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

BATCH = 10
DELETE_BATCH = 250


def list_products(shop: Shop, call: Call) -> Answer:
    view = view_of(call)
    page, limit = render.page_of(call, most=10 if STARVED_PARTS.intersection(view.parts) else 250)
    found = select(shop, call.query)
    chosen = found[(page - 1) * limit : page * limit]
    shown = [entry for entry in map(shop.shown, chosen) if entry is not None]
    return render.listed(
        [rendered(shop, entry, view) for entry in shown],
        total=len(found),
        count=len(shown),
        page=page,
        limit=limit,
        query=call.query_string,
    )


def get_product(shop: Shop, call: Call, product_id: int) -> Answer:
    entry = shop.shown(product_id)
    if entry is None:
        raise Refusal(404, f"A product was not found with an id of {product_id}")
    return one(rendered(shop, entry, view_of(call)))


def create_product(shop: Shop, call: Call) -> Answer:
    entry, errors = composed(shop, call.json())
    entry = shop.put(entry)
    product = entry.product
    shop.note_creation("product", product.sku or product.name)
    shop.announcer.product("created", product.id)
    if entry.has_choices:
        shop.announcer.skus("created", product.id, (variant.id for variant in entry.variants))
    data = rendered(shop, entry, _full(call, entry))
    return saved_in_part(data, errors) if errors else one(data)


def update_product(shop: Shop, call: Call, product_id: int) -> Answer:
    entry = shop.entry(product_id)
    after, errors = changed(shop, entry, call.json())
    entry = store(shop, entry, after)
    data = rendered(shop, entry, _full(call, entry))
    return saved_in_part(data, errors) if errors else one(data)


def update_products(shop: Shop, call: Call) -> Answer:
    """Batch PUT. A bad item spoils the batch, or only itself, as the settings say."""
    bodies = call.json()
    if not isinstance(bodies, list) or not bodies:
        raise Refusal(422, "JSON data is missing or invalid", {"": "must be an array of products"})
    if len(bodies) > BATCH:
        raise Refusal(413, f"At most {BATCH} products in one batch")
    planned: list[tuple[int, Entry, Composed]] = []
    errors: dict[str, str] = {}
    for at, body in enumerate(bodies):
        try:
            product_id = body.get("id") if isinstance(body, dict) else None
            if not isinstance(product_id, int):
                raise Refusal(422, "The product was not valid", {"id": "id is required"})
            before = shop.entry(product_id)
            planned.append((at, before, changed(shop, before, body)))
        except Refusal as refusal:
            errors.update(_keyed(at, refusal))
    if errors and (not shop.settings.batch_saves_valid_items or not planned):
        raise Refusal(422, "JSON data is missing or invalid", errors)
    saved: list[bytes] = []
    for at, before, (after, partly) in planned:
        try:
            if shop.entry(before.product.id) is not before:  # an earlier item of this batch was the same product
                after, partly = changed(shop, shop.entry(before.product.id), bodies[at])
            shop.require_unique(after)  # an earlier item may have taken a name
        except Refusal as refusal:
            errors.update(_keyed(at, refusal))
            continue
        errors.update({f"{at}.{name}": text for name, text in partly.items()})
        after = store(shop, shop.entry(before.product.id), after)
        saved.append(rendered(shop, after, _full(call, after)))
    data = b"[" + b",".join(saved) + b"]"
    return saved_in_part(data, errors) if errors else one(data)


def delete_product(shop: Shop, call: Call, product_id: int) -> Answer:
    del call
    shop.entry(product_id)
    _delete(shop, product_id)
    return Answer(204)


def delete_products(shop: Shop, call: Call) -> Answer:
    """By filter; without one it is refused, for it would empty the store."""
    if not is_filtered(call.query):
        raise Refusal(422, "At least one filter must be given", {"": "a filter must be supplied"})
    wanted = render.numbers(call.query, "id:in")
    if wanted is not None and len(wanted) > DELETE_BATCH:
        raise Refusal(422, f"At most {DELETE_BATCH} ids", {"id:in": "too many"})
    for product_id in select(shop, call.query)[:DELETE_BATCH]:
        if product_id in shop.entries:
            _delete(shop, product_id)
    return Answer(204)


def _delete(shop: Shop, product_id: int) -> None:
    shop.drop(product_id)
    shop.announcer.product("deleted", product_id)


def store(shop: Shop, before: Entry, after: Entry) -> Entry:
    """Put a changed product and announce what the vendor would."""
    first_image = bool(after.images) and not before.images
    moved = before.product != after.product
    after = shop.put(after, moves_date=moved or first_image or shop.settings.parts_move_date)
    if first_image:
        shop.announcer.product("updated", after.product.id, times=2)
    else:
        shop.announcer.product_updated(before.product, after.product)
    level = after.product.inventory_level
    if before.product.inventory_level != level and (not after.has_choices or _by_product(after)):
        announce_stock(shop, after, replace(after.variants[0], inventory_level=level))
    return after


def _by_product(entry: Entry) -> bool:
    return entry.product.inventory_tracking == "product"


def _keyed(at: int, refusal: Refusal) -> dict[str, str]:
    return {f"{at}.{name}": text for name, text in (refusal.errors or {"id": refusal.title}).items()}


def _full(call: Call, entry: Entry) -> View:
    """Answers to writes show the parts that are asked for, else those that there are."""
    view = view_of(call)
    if view.parts:
        return view
    return View(tuple(part for part in _ANSWERED if part == "variants" or getattr(entry, part)), view.fields)


_ANSWERED = ("variants", "images", "custom_fields", "bulk_pricing_rules", "options", "modifiers", "videos")


def summary(shop: Shop, call: Call) -> Answer:
    """Figures about the whole catalogue."""
    del call
    variants = [variant for entry in shop.entries.values() for variant in entry.variants]
    prices = sorted(variant.calculated_price for variant in variants)
    dates = [entry.product.date_created for entry in shop.entries.values()]
    first = next(iter(shop.categories.values()), None)
    return one(
        encode(
            {
                "inventory_count": sum(variant.inventory_level for variant in variants),
                "inventory_value": sum(variant.inventory_level * variant.calculated_price for variant in variants),
                "primary_category_id": first.id if first else 0,
                "primary_category_name": first.name if first else "",
                "variant_count": len(variants),
                "highest_variant_price": prices[-1] if prices else 0,
                "average_variant_price": round(sum(prices) / len(prices), 4) if prices else 0,
                "lowest_variant_price": str(prices[0] if prices else 0),
                "oldest_variant_date": min(dates, default=""),
                "newest_variant_date": max(dates, default=""),
            }
        )
    )


ROUTES = [
    Route(method="GET", template="/catalog/products", handler=list_products),
    Route(method="POST", template="/catalog/products", handler=create_product, needs=image_urls),
    Route(method="PUT", template="/catalog/products", handler=update_products, needs=image_urls),
    Route(method="DELETE", template="/catalog/products", handler=delete_products),
    Route(method="GET", template="/catalog/products/{product_id}", handler=get_product),
    Route(method="PUT", template="/catalog/products/{product_id}", handler=update_product, needs=image_urls),
    Route(method="DELETE", template="/catalog/products/{product_id}", handler=delete_product),
    Route(method="GET", template="/catalog/summary", handler=summary),
]
