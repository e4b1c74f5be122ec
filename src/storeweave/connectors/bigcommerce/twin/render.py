"""How the store's values look in answers: envelopes, paging, parts on request, image addresses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from storeweave.connectors.bigcommerce.twin.goods import Entry, Image, Product
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

PARTS = frozenset(
    {
        "variants",
        "images",
        "custom_fields",
        "bulk_pricing_rules",
        "primary_image",
        "modifiers",
        "options",
        "videos",
        "channels",
    }
)
STARVED_PARTS = frozenset({"options", "modifiers"})  # a page that includes these has at most 10 products
NO_META: dict[str, Any] = {}


class ShownImage(msgspec.Struct, gc=False):
    """An image as answers show it."""

    id: int
    product_id: int
    is_thumbnail: bool
    sort_order: int
    description: str
    image_file: str
    url_zoom: str
    url_standard: str
    url_thumbnail: str
    url_tiny: str
    date_modified: str


class View(msgspec.Struct, frozen=True):
    """Which parts and fields of products a call wants; ``fields`` None: all."""

    parts: tuple[str, ...]
    fields: tuple[str, ...] | None


def image_url(shop: Shop, image: Image, size: str) -> str:
    return f"{shop.origin}/img/{image.product_id}/{image.id}/{size}/{image.image_file.rpartition('/')[2]}"


def shown_image(shop: Shop, image: Image) -> ShownImage:
    prefix = f"{shop.origin}/img/{image.product_id}/{image.id}/"
    name = image.image_file.rpartition("/")[2]
    return ShownImage(
        image.id,
        image.product_id,
        image.is_thumbnail,
        image.sort_order,
        image.description,
        image.image_file,
        f"{prefix}zoom/{name}",
        f"{prefix}standard/{name}",
        f"{prefix}thumbnail/{name}",
        f"{prefix}tiny/{name}",
        image.date_modified,
    )


def view_of(call: Call) -> View:
    query = call.query
    if not query:
        return View((), None)
    wanted = [part for part in query.get("include", "").split(",") if part]
    unknown = [part for part in wanted if part not in PARTS and part not in {"parent_relations", "reviews"}]
    if unknown:
        raise Refusal(422, "JSON data is missing or invalid", {"include": f"unknown: {', '.join(unknown)}"})
    return View(tuple(part for part in wanted if part in PARTS), chosen_fields(call, Product.__struct_fields__))


def chosen_fields(call: Call, known: Sequence[str]) -> tuple[str, ...] | None:
    """The fields left by include_fields and exclude_fields; None: all of them. The id always stays."""
    query = call.query
    if "include_fields" in query:
        wanted = set(query["include_fields"].split(","))
        return tuple(name for name in known if name in wanted or name == "id")
    if "exclude_fields" in query:
        unwanted = set(query["exclude_fields"].split(",")) - {"id"}
        return tuple(name for name in known if name not in unwanted)
    return None


def rendered(shop: Shop, entry: Entry, view: View) -> bytes:
    """One product as JSON."""
    product = entry.product
    if view.fields is None:
        head = encode(product)
    else:
        head = encode({name: getattr(product, name) for name in view.fields})
    if not view.parts:
        return head
    pieces = [head[:-1]]
    for part in view.parts:
        pieces.append(f',"{part}":'.encode())
        pieces.append(encode(_part(shop, entry, part)))
    pieces.append(b"}")
    return b"".join(pieces)


def _part(shop: Shop, entry: Entry, part: str) -> Any:
    if part == "images":
        return [shown_image(shop, image) for image in entry.images]
    if part == "primary_image":
        return next((shown_image(shop, image) for image in entry.images if image.is_thumbnail), None)
    return getattr(entry, part)


def one(data: bytes, status: int = 200) -> Answer:
    """The envelope of one thing."""
    return Answer(status, b'{"data":' + data + b',"meta":{}}')


def saved_in_part(data: bytes, errors: dict[str, str]) -> Answer:
    """207: saved, but for what ``errors`` names."""
    problem = {"status": 207, "title": "Saved in part", "type": STATUS_PAGE, "errors": errors}
    return Answer(207, b'{"data":' + data + b',"errors":' + encode(problem) + b',"meta":{}}')


STATUS_PAGE = "https://developer.bigcommerce.com/api-docs/getting-started/api-status-codes"


def page_of(call: Call, *, default: int = 50, most: int = 250) -> tuple[int, int]:
    """Page number and size. Raises Refusal 422."""
    query = call.query
    page, limit = whole(query, "page", 1), whole(query, "limit", default)
    if page < 1 or limit < 1:
        raise Refusal(422, "JSON data is missing or invalid", {"page": "page and limit must be positive"})
    return page, min(limit, most)


def whole(query: dict[str, str], name: str, default: int) -> int:
    value = query.get(name)
    if value is None or not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise Refusal(422, "JSON data is missing or invalid", {name: f"{name} must be a whole number"}) from None


def numbers(query: dict[str, str], name: str) -> list[int] | None:
    """The whole numbers of a comma-separated parameter; None when it was not given."""
    value = query.get(name)
    if value is None:
        return None
    try:
        return [int(part) for part in value.split(",") if part]
    except ValueError:
        raise Refusal(422, "JSON data is missing or invalid", {name: f"{name} must be whole numbers"}) from None


def listed(items: Iterable[bytes], *, total: int, count: int, page: int, limit: int, query: str = "") -> Answer:
    """The envelope of one page."""
    pages = math.ceil(total / limit)
    links = {"current": f"?{_with_page(query, page, limit)}"}
    if page < pages:
        links["next"] = f"?{_with_page(query, page + 1, limit)}"
    if page > 1:
        links["previous"] = f"?{_with_page(query, page - 1, limit)}"
    pagination = {
        "total": total,
        "count": count,
        "per_page": limit,
        "current_page": page,
        "total_pages": pages,
        "links": links,
    }
    meta = encode({"pagination": pagination})
    return Answer(200, b"".join((b'{"data":[', b",".join(items), b'],"meta":', meta, b"}")))


def _with_page(query: str, page: int, limit: int) -> str:
    rest = [part for part in query.split("&") if part and not part.startswith(("page=", "limit="))]
    return "&".join([*rest, f"page={page}", f"limit={limit}"])


def paged(call: Call, items: Sequence[Any], *, default: int = 50, most: int = 250) -> Answer:
    """One page of values that are encoded as they are."""
    page, limit = page_of(call, default=default, most=most)
    chosen = items[(page - 1) * limit : page * limit]
    return listed(
        [encode(item) for item in chosen],
        total=len(items),
        count=len(chosen),
        page=page,
        limit=limit,
        query=call.query_string,
    )
