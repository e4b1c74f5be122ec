"""Writing brands, one call each. Source: brands_catalog.v3."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from typing import Any, Final

import msgspec

from storeweave.connectors.bigcommerce.brand_reads import PATH
from storeweave.connectors.bigcommerce.limits import BRAND_CHARS, refuse_texts
from storeweave.connectors.bigcommerce.parallel import in_parallel
from storeweave.connectors.bigcommerce.payloads import BrandData, One
from storeweave.connectors.bigcommerce.product_fields import key_number, words
from storeweave.connectors.bigcommerce.records import brand_record
from storeweave.connectors.bigcommerce.session import LANE_WIDE, Session, Tally
from storeweave.connectors.bigcommerce.verdicts import SYSTEM
from storeweave.model.errors import RefusedError, StoreweaveError
from storeweave.model.kinds import Key
from storeweave.model.records import Fields, Op

ONE: Final = f"{PATH}/{{brand_id}}"
TAKEN_URL: Final = re.compile(r"(/[A-Za-z0-9\-_.]{1,256})*/?")
BRAND: Final = msgspec.json.Decoder(One[BrandData], float_hook=Decimal)
_TEXTS: Final = "name page_title meta_description search_keywords image_url"


def brand_body(fields: Fields) -> dict[str, Any]:
    """Our fields as members of theirs. Raises RefusedError.

    An address with other than Latin letters can come into being from a name, but is refused when it is sent. It is left
    out, so that the store makes its own from the name; the outcome shows which.
    """
    refuse_texts(fields, BRAND_CHARS)
    body: dict[str, Any] = {name: fields[name] or "" for name in _TEXTS.split() if name in fields}
    if "meta_keywords" in fields:
        body["meta_keywords"] = words("meta_keywords", fields["meta_keywords"])
    path = fields.get("url_path")
    if isinstance(path, str) and path and TAKEN_URL.fullmatch(path):
        body["custom_url"] = {"url": path, "is_customized": True}
    return body


class BrandWriter:
    """Writes brands of one store."""

    def __init__(self, *, at_once: int) -> None:
        self._at_once = at_once

    async def write(self, session: Session) -> None:
        """All changes of one session."""

        async def one(tally: Tally) -> None:
            try:
                await _write(session, tally)
            except LANE_WIDE:
                raise
            except StoreweaveError as error:
                tally.fail(error)

        await in_parallel([partial(one, tally) for tally in session.tallies.values()], at_once=self._at_once)


async def _write(session: Session, tally: Tally) -> None:
    change = tally.change
    if change.op is Op.DELETE:
        await _delete(session, tally)
        return
    body = brand_body(change.fields)
    if not body and change.op is Op.UPDATE:
        # What cannot be sent stays as it is; showing it lets the engine learn that, instead of writing it for ever.
        tally.record = change.theirs
        return
    if change.op is Op.CREATE:
        body = {name: value for name, value in body.items() if value or name != "image_url"}
        answer = await session.send([tally], "POST", PATH, body)
    else:
        number = key_number("the change", change.key)
        if "name" not in body and change.theirs is not None and change.theirs.fields.get("name"):
            body["name"] = change.theirs.fields["name"]  # the contract asks for it in every PUT
        answer = await session.send([tally], "PUT", f"{PATH}/{number}", body, template=ONE)
    envelope = session.decode(answer, BRAND, "the brand")
    data = envelope.data[0] if isinstance(envelope.data, list) else envelope.data
    tally.key = Key(str(data.id))
    tally.record = msgspec.structs.replace(brand_record(data), digest=b"")
    if answer.problem is not None:
        raise RefusedError(f"{SYSTEM} saved the brand only in part: {answer.problem}", code="partial")


async def _delete(session: Session, tally: Tally) -> None:
    number = key_number("the change", tally.change.key)
    try:
        await session.send([tally], "DELETE", f"{PATH}/{number}", expect=(204,), template=ONE)
    except RefusedError as error:
        if error.code != "missing":
            raise
