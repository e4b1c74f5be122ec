"""Images of products: fetched from a URL, kept as bytes, at most one of them the thumbnail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin import render
from storeweave.connectors.bigcommerce.twin.checks import IMAGE, checked
from storeweave.connectors.bigcommerce.twin.goods import Entry, Image
from storeweave.connectors.bigcommerce.twin.render import one, shown_image
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.twinkit.pictures import is_image
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

MOST_IMAGES = 1000
MOST_BYTES = 8 * 1024 * 1024
MOST_URL = 255


def image_urls(call: Call) -> Iterable[str]:
    """Addresses of images that a body asks the store to fetch."""
    if b'"image_url"' not in call.body:
        return []
    body = call.json()
    found: list[str] = []
    for item in body if isinstance(body, list) else [body]:
        if not isinstance(item, dict):
            continue
        images = item.get("images")
        variants = item.get("variants")
        for part in (
            item,
            *(images if isinstance(images, list) else ()),
            *(variants if isinstance(variants, list) else ()),
        ):
            url = part.get("image_url") if isinstance(part, dict) else None
            if isinstance(url, str) and url:
                found.append(url)
    return found


def with_images(shop: Shop, entry: Entry, bodies: Any) -> Entry:
    """Images with an id are changed, others added; none is removed."""
    if not isinstance(bodies, list):
        raise Refusal(422, "JSON data is missing or invalid", {"images": "images must be an array"})
    for body in bodies:
        image_id = body.get("id") if isinstance(body, dict) else None
        entry = _changed(shop, entry, image_id, body)[0] if image_id else _added(shop, entry, body)[0]
    return entry


def fetched_picture(shop: Shop, url: Any, *, status: int = 422) -> str:
    """The name of the picture behind a URL. Raises Refusal when it cannot be had or is none."""
    if not isinstance(url, str) or not url:
        raise Refusal(422, "JSON data is missing or invalid", {"image_url": "image_url is required"})
    if len(url) > MOST_URL:
        raise Refusal(422, "JSON data is missing or invalid", {"image_url": "image_url is longer than 255 characters"})
    content = shop.fetched.get(url, "not fetched")
    if isinstance(content, str):
        raise Refusal(status, "The image could not be downloaded", {"image_url": content})
    if len(content) > MOST_BYTES:
        raise Refusal(status, "The image is larger than 8 MB", {"image_url": "larger than 8 MB"})
    if not is_image(content):
        raise Refusal(status, "The file is not an image", {"image_url": "not an image"})
    return shop.pictures.keep(content)


def _added(shop: Shop, entry: Entry, body: Any, *, status: int = 422) -> tuple[Entry, Image]:
    if len(entry.images) >= MOST_IMAGES:
        raise Refusal(422, "A product has at most 1000 images", {"images": "too many images"})
    fields = checked(IMAGE, body)
    picture = fetched_picture(shop, body.get("image_url"), status=status)
    number = shop.next_id("image")
    name = str(body["image_url"]).partition("?")[0].rpartition("/")[2][-80:] or "image.png"
    stem, dot, ending = name.rpartition(".")
    file = f"{picture[0]}/{number % 1000:03d}/"
    file += f"{stem.partition('__')[0]}__{number:05d}.{ending}" if dot else f"{name.partition('__')[0]}__{number:05d}"
    fields.setdefault("sort_order", len(entry.images))
    if not entry.images:
        fields["is_thumbnail"] = True
    product_id = entry.product.id
    image = Image(
        id=number, product_id=product_id, picture=picture, image_file=file, date_modified=shop.stamp(), **fields
    )
    content = shop.pictures.content_hash(picture)
    shop.note_creation(f"image of product {product_id}", content)
    if any(shop.pictures.content_hash(other.picture) == content for other in entry.images):
        shop.note_double(f"image of product {product_id} {content}")
    return _placed(entry, image), image


def _changed(shop: Shop, entry: Entry, image_id: int, body: Any) -> tuple[Entry, Image]:
    before = _find(entry, image_id)
    fields = checked(IMAGE, body)
    if body.get("image_url"):
        fields["picture"] = fetched_picture(shop, body["image_url"])
    image = replace(before, date_modified=shop.stamp(), **fields)
    return _placed(entry, image), image


def _placed(entry: Entry, image: Image) -> Entry:
    """Put an image in; a new thumbnail takes the place of the old one."""
    images = [image if old.id == image.id else old for old in entry.images]
    if all(old.id != image.id for old in entry.images):
        images.append(image)
    if image.is_thumbnail:
        images = [
            replace(other, is_thumbnail=False) if other.is_thumbnail and other.id != image.id else other
            for other in images
        ]
    return replace(entry, images=tuple(images))


def _find(entry: Entry, image_id: int) -> Image:
    for image in entry.images:
        if image.id == image_id:
            return image
    raise Refusal(404, "The resource was not found.")


def _shown(shop: Shop, product_id: int) -> Entry:
    entry = shop.shown(product_id)
    if entry is None:
        raise Refusal(404, "The resource was not found.")
    return entry


def list_images(shop: Shop, call: Call, product_id: int) -> Answer:
    entry = _shown(shop, product_id)
    return render.paged(call, [shown_image(shop, image) for image in entry.images])


def get_image(shop: Shop, call: Call, product_id: int, image_id: int) -> Answer:
    del call
    return one(encode(shown_image(shop, _find(_shown(shop, product_id), image_id))))


def create_image(shop: Shop, call: Call, product_id: int) -> Answer:
    before = shop.entry(product_id)
    entry, image = _added(shop, before, call.json(), status=400)
    shop.put(entry, moves_date=not before.images or shop.settings.parts_move_date)
    if not before.images:
        shop.announcer.product("updated", product_id, times=2)
    return one(encode(shown_image(shop, image)))


def update_image(shop: Shop, call: Call, product_id: int, image_id: int) -> Answer:
    entry, image = _changed(shop, shop.entry(product_id), image_id, call.json())
    shop.put(entry, moves_date=shop.settings.parts_move_date)
    return one(encode(shown_image(shop, image)))


def delete_image(shop: Shop, call: Call, product_id: int, image_id: int) -> Answer:
    """The thumbnail's successor is the next image."""
    del call
    entry = shop.entry(product_id)
    gone = _find(entry, image_id)
    left = tuple(image for image in entry.images if image.id != image_id)
    if gone.is_thumbnail and left:
        left = (replace(left[0], is_thumbnail=True), *left[1:])
    shop.put(replace(entry, images=left), moves_date=shop.settings.parts_move_date)
    return Answer(204)


def served(shop: Shop, path: str) -> Answer | None:
    """The bytes behind ``/img/{product}/{image}/{size}/{file}``; None when the path is not one of an image."""
    parts = path.split("/")
    if len(parts) < 6 or parts[1] != "img":
        return None
    if parts[2] == "variants":
        held = shop.variant_pictures.get(int(parts[3])) if parts[3].isdecimal() else None
        return Answer(200, shop.pictures.content(held), _PNG) if held else Answer(404, b"", _PNG)
    entry = shop.entries.get(int(parts[2])) if parts[2].isdecimal() else None
    for image in entry.images if entry is not None else ():
        if str(image.id) == parts[3]:
            return Answer(200, shop.pictures.content(image.picture, parts[4]), _PNG)
    return Answer(404, b"", _PNG)


_PNG = Answer(200, headers={"content-type": "image/png"}).headers

ROUTES = [
    Route(method="GET", template="/catalog/products/{product_id}/images", handler=list_images),
    Route(method="POST", template="/catalog/products/{product_id}/images", handler=create_image, needs=image_urls),
    Route(method="GET", template="/catalog/products/{product_id}/images/{image_id}", handler=get_image),
    Route(
        method="PUT",
        template="/catalog/products/{product_id}/images/{image_id}",
        handler=update_image,
        needs=image_urls,
    ),
    Route(method="DELETE", template="/catalog/products/{product_id}/images/{image_id}", handler=delete_image),
]
