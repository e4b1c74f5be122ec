"""Writing the images of products: deleted, then added, then put in order. One call each; there is no bulk.

Bytes are never sent again when they are there already: which image is which was settled by content before this.
One picture that cannot be fetched fails alone; the others of its product go on.
Source: /catalog/products/{product_id}/images in products_catalog.v3.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from storeweave.connectors.bigcommerce.option_writes import delete
from storeweave.connectors.bigcommerce.payloads import ImageData, One
from storeweave.connectors.bigcommerce.product_bodies import image_body, new_images, order, parts_of, wanted_parts
from storeweave.connectors.bigcommerce.session import Session, Tally
from storeweave.model.errors import RefusedError

IMAGE: Final = msgspec.json.Decoder(One[ImageData], float_hook=Decimal)
MANY: Final = "/catalog/products/{product_id}/images"
ONE: Final = f"{MANY}/{{image_id}}"


async def write_images(session: Session, tally: Tally) -> None:
    """All that a change says about images."""
    folder = f"/catalog/products/{tally.key}/images"
    for key in parts_of(tally.change, "images").delete:
        await delete(session, tally, f"{folder}/{key}", template=ONE)
    for key, fields in new_images(tally.change):
        if tally.part_key("images", key) is not None:
            continue  # it came with the product
        try:
            answer = await session.send([tally], "POST", folder, image_body(fields, with_url=True), template=MANY)
        except RefusedError as error:
            tally.fail(RefusedError(f"image {fields.get('url')}: {error}", code="image"))
            continue
        envelope = session.decode(answer, IMAGE, "the new image")
        shown = envelope.data[0] if isinstance(envelope.data, list) else envelope.data
        tally.learn_part("images", key, str(shown.id))
    for key, body in image_updates(tally):
        try:
            answer = await session.send([tally], "PUT", f"{folder}/{key}", body, template=ONE)
            session.decode(answer, IMAGE, "the image")
        except RefusedError as error:
            tally.fail(error)


def image_updates(tally: Tally) -> list[tuple[str, dict[str, Any]]]:
    """Changes of existing images in their new order, which keeps those before them from being moved again.

    Naming a new thumbnail takes the flag from the old one; saying so as well would be a call for nothing.
    """
    wanted = wanted_parts(tally.change, "images")
    has_thumbnail = any(fields.get("is_thumbnail") for fields in wanted.values())
    updates: list[tuple[int, str, dict[str, Any]]] = []
    for key, fields in parts_of(tally.change, "images").update.items():
        body = image_body(fields, with_url=False)
        if body.get("is_thumbnail") is False and has_thumbnail:
            del body["is_thumbnail"]
        if body:
            updates.append((order(wanted.get(key, fields)), key, body))
    return [(key, body) for _, key, body in sorted(updates, key=lambda update: update[:2])]
