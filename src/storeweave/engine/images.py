"""Recognise images by their bytes, so that none is uploaded twice.

Only when both sides have images that no link explains are bytes fetched at all, once per image, and remembered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from storeweave.mapping.parts import link_parts, unmatched_images
from storeweave.model.errors import RefusedError
from storeweave.model.kinds import ConnectionName
from storeweave.model.records import Fields, Record
from storeweave.ports.connector import Connector
from storeweave.ports.permit import Permit
from storeweave.ports.store import LedgerStore


class Hashes:
    """Content hashes of one connection's images, fetched when unknown, kept in the store."""

    def __init__(self, store: LedgerStore, name: ConnectionName, connector: Connector, permit: Permit) -> None:
        self._store = store
        self._name = name
        self._connector = connector
        self._permit = permit

    async def of(self, record: Record, keys: Sequence[str]) -> Record:
        """The record with ``content`` set on those images whose bytes could be had."""
        images = record.parts["images"]
        tokens = {key: _token(key, images[key]) for key in keys if not images[key].get("content")}
        known = dict(await self._store.content_hashes(self._name, sorted(tokens.values())))
        fetched: dict[str, str] = {}
        for key, token in tokens.items():
            url = images[key].get("url")
            if token in known or not isinstance(url, str):
                continue
            try:
                known[token] = fetched[token] = await self._connector.content_hash(url, self._permit)
            except RefusedError:
                continue  # no bytes to compare: the image counts as unknown and is written as new
        if fetched:
            await self._store.put_content_hashes(self._name, fetched)
        with_content: dict[str, Fields] = {
            key: {**fields, "content": known[tokens[key]]} if tokens.get(key) in known else fields
            for key, fields in images.items()
        }
        return msgspec.structs.replace(record, parts={**record.parts, "images": with_content})


async def recognise_images(
    source: Record, theirs: Record, links: Mapping[str, Mapping[str, str]], here: Hashes, there: Hashes
) -> tuple[Record, Record]:
    """Both records, with content hashes where they decide which image is which."""
    ours, unknown = unmatched_images(source, theirs, link_parts(source, theirs, links))
    if not ours:
        return source, theirs
    return await here.of(source, ours), await there.of(theirs, unknown)


def _token(key: str, fields: Fields) -> str:
    """Names the bytes: the image's id, and its address without cache-busting query."""
    return f"{key}|{str(fields.get('url', '')).partition('?')[0]}"
