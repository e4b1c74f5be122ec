"""Channels, what is listed on them (cursor paging), and which products are assigned to them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin import render
from storeweave.connectors.bigcommerce.twin.goods import ListedVariant, Listing
from storeweave.connectors.bigcommerce.twin.select import stamp_of
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

INVALID = "JSON data is missing or invalid"
VARIANT_STATES = frozenset(
    (
        "active",
        "disabled",
        "error",
        "pending",
        "pending_disable",
        "pending_delete",
        "queued",
        "rejected",
        "submitted",
        "deleted",
    )
)
STATES = VARIANT_STATES | {"partially_rejected"}


def list_channels(shop: Shop, call: Call) -> Answer:
    return render.paged(call, list(shop.channels.values()))


def get_channel(shop: Shop, call: Call, channel_id: int) -> Answer:
    del call
    channel = shop.channels.get(channel_id)
    if channel is None:
        raise Refusal(404, "The resource was not found.")
    return render.one(encode(channel))


def list_listings(shop: Shop, call: Call, channel_id: int) -> Answer:
    """By ``after``, the id of the last listing seen; an unknown channel is an empty list."""
    query = call.query
    listings = shop.listings.get(channel_id, {})
    products = render.numbers(query, "product_id:in")
    if products is not None:
        numbers = (shop.listed.get((channel_id, product_id)) for product_id in products)
        found = [listings[number] for number in sorted(number for number in numbers if number is not None)]
    else:
        found = list(listings.values())
    for name in ("date_modified", "date_created"):
        if f"{name}:min" in query:
            least = stamp_of(query, f"{name}:min")
            found = [listing for listing in found if getattr(listing, name) >= least]
        if f"{name}:max" in query:
            most = stamp_of(query, f"{name}:max")
            found = [listing for listing in found if getattr(listing, name) <= most]
    total = len(found)
    after = render.whole(query, "after", 0)
    limit = min(max(render.whole(query, "limit", 50), 1), 250)
    rest = [listing for listing in found if listing.listing_id > after]
    chosen = rest[:limit]
    links = {"current": f"?after={after}&limit={limit}"}
    if len(rest) > limit:
        links["next"] = f"?after={chosen[-1].listing_id}&limit={limit}"
    pagination = {"count": len(chosen), "total": total, "links": links, "total_pages": -(-total // limit)}
    return Answer(200, encode({"data": chosen, "meta": {"pagination": pagination}}))


def get_listing(shop: Shop, call: Call, channel_id: int, listing_id: int) -> Answer:
    del call
    listing = shop.listings.get(channel_id, {}).get(listing_id)
    if listing is None:
        raise Refusal(404, "The resource was not found.")
    return render.one(encode(listing))


def create_listings(shop: Shop, call: Call, channel_id: int) -> Answer:
    return _saved(shop, channel_id, call.json(), fresh=True)


def update_listings(shop: Shop, call: Call, channel_id: int) -> Answer:
    return _saved(shop, channel_id, call.json(), fresh=False)


def _saved(shop: Shop, channel_id: int, bodies: Any, *, fresh: bool) -> Answer:
    if channel_id not in shop.channels:
        raise Refusal(422, INVALID, {"channel_id": "no such channel"})
    if not isinstance(bodies, list) or not all(isinstance(body, dict) for body in bodies):
        raise Refusal(422, INVALID, {"": "must be an array of listings"})
    for body in bodies:
        _require_fit(shop, channel_id, body, fresh=fresh)
    saved = [save_listing(shop, channel_id, body) for body in bodies]
    pagination = {"count": len(saved), "total": len(saved), "links": {}, "total_pages": 1}
    return Answer(200, encode({"data": saved, "meta": {"pagination": pagination}}))


def _require_fit(shop: Shop, channel_id: int, body: dict[str, Any], *, fresh: bool) -> None:
    product_id = body.get("product_id")
    if product_id not in shop.entries:
        raise Refusal(422, INVALID, {"product_id": f"there is no product {product_id}"})
    if body.get("state") not in STATES or not isinstance(body.get("variants"), list):
        raise Refusal(422, INVALID, {"state": "state and variants are required"})
    held = shop.listed.get((channel_id, product_id))
    if fresh and held is not None:
        raise Refusal(422, INVALID, {"product_id": f"product {product_id} is listed already"})
    if not fresh and (held is None or body.get("listing_id") != held):
        raise Refusal(422, INVALID, {"listing_id": f"there is no such listing of product {product_id}"})
    for part in body["variants"]:
        if part.get("state") not in VARIANT_STATES or shop.variants.get(part.get("variant_id")) != product_id:
            raise Refusal(422, INVALID, {"variants": "state and a variant_id of this product are required"})


def save_listing(shop: Shop, channel_id: int, body: dict[str, Any]) -> Listing:
    """Create or change the listing of a product. No webhook tells of a changed state."""
    product_id = body["product_id"]
    now = shop.stamp()
    number = shop.listed.get((channel_id, product_id))
    if number is None:
        number = shop.next_id("listing")
        listing = Listing(channel_id=channel_id, listing_id=number, product_id=product_id, date_created=now)
    else:
        listing = shop.listings[channel_id][number]
    known = {part.variant_id: part for part in listing.variants}
    for part in body.get("variants", ()):
        old = known.get(part["variant_id"])
        known[part["variant_id"]] = ListedVariant(
            channel_id=channel_id,
            product_id=product_id,
            variant_id=part["variant_id"],
            state=part["state"],
            external_id=str(part.get("external_id", old.external_id if old else "")),
            name=str(part.get("name", old.name if old else "")),
            description=str(part.get("description", old.description if old else "")),
            date_created=old.date_created if old else now,
            date_modified=now,
        )
    texts = {name: str(body[name]) for name in ("external_id", "name", "description") if name in body}
    listing = replace(listing, state=body["state"], date_modified=now, variants=tuple(known.values()), **texts)
    shop.listings.setdefault(channel_id, {})[number] = listing
    shop.listed[channel_id, product_id] = number
    return listing


def list_assignments(shop: Shop, call: Call) -> Answer:
    products = render.numbers(call.query, "product_id:in")
    channels = render.numbers(call.query, "channel_id:in")
    pairs = [
        {"product_id": product_id, "channel_id": channel_id}
        for product_id in (products if products is not None else shop.order)
        if product_id in shop.entries
        for channel_id in shop.entries[product_id].channels
        if channels is None or channel_id in channels
    ]
    return render.paged(call, pairs)


def assign(shop: Shop, call: Call) -> Answer:
    bodies = call.json()
    if not isinstance(bodies, list) or not all(isinstance(body, dict) for body in bodies):
        raise Refusal(422, INVALID, {"": "must be an array of assignments"})
    for body in bodies:
        if body.get("product_id") not in shop.entries or body.get("channel_id") not in shop.channels:
            raise Refusal(422, INVALID, {"product_id": "no such product or channel"})
    for body in bodies:
        set_assigned(shop, body["product_id"], body["channel_id"], assigned=True)
    return Answer(204)


def unassign(shop: Shop, call: Call) -> Answer:
    """By filter; without one it is refused."""
    products = render.numbers(call.query, "product_id:in")
    channels = render.numbers(call.query, "channel_id:in")
    if products is None and channels is None:
        raise Refusal(422, "At least one filter must be given", {"": "a filter must be supplied"})
    for product_id in products if products is not None else list(shop.order):
        for channel_id in shop.entries[product_id].channels if product_id in shop.entries else ():
            if channels is None or channel_id in channels:
                set_assigned(shop, product_id, channel_id, assigned=False)
    return Answer(204)


def set_assigned(shop: Shop, product_id: int, channel_id: int, *, assigned: bool) -> None:
    """Assign or unassign; the channel's hooks are told when that changes anything."""
    entry = shop.entry(product_id)
    if (channel_id in entry.channels) == assigned:
        return
    channels = {*entry.channels, channel_id} if assigned else {*entry.channels} - {channel_id}
    shop.put(replace(entry, channels=tuple(sorted(channels))), moves_date=False)
    shop.announcer.assignment("assigned" if assigned else "unassigned", channel_id, product_id)


_LISTINGS = "/channels/{channel_id}/listings"
_ASSIGNED = "/catalog/products/channel-assignments"
ROUTES = [
    Route(method="GET", template="/channels", handler=list_channels),
    Route(method="GET", template="/channels/{channel_id}", handler=get_channel),
    Route(method="GET", template=_LISTINGS, handler=list_listings),
    Route(method="POST", template=_LISTINGS, handler=create_listings),
    Route(method="PUT", template=_LISTINGS, handler=update_listings),
    Route(method="GET", template=f"{_LISTINGS}/{{listing_id}}", handler=get_listing),
    Route(method="GET", template=_ASSIGNED, handler=list_assignments),
    Route(method="PUT", template=_ASSIGNED, handler=assign, gate="assignments"),
    Route(method="DELETE", template=_ASSIGNED, handler=unassign, gate="assignments"),
]
