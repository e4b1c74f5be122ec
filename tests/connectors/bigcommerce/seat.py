"""The connector on a twin store, with a budget that remembers and a wire that records, for tests to sit at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from storeweave.connectors.bigcommerce import BigCommerce, create
from storeweave.connectors.bigcommerce.twin import Figures, TwinSettings
from storeweave.model.kinds import ConnectionName, Key, Kind
from storeweave.model.records import Change, Fields, Op, Outcome, PartsChange, Priority, Record
from storeweave.ports.permit import Permit
from storeweave.ports.transport import Request, Response, Transport
from storeweave.twinkit.pictures import png
from tests.connectors.bigcommerce.desk import Desk

FREE = Permit()
HOOK_SECRET = "our-own-hook-secret-0123456789"
CLIENT_SECRET = "twin-client-secret-0123456789abcdef0123456789"
PICTURES = "https://pictures.invalid/"


class Purse:
    """A budget that never ends and remembers what it was told."""

    def __init__(self) -> None:
        self.spent: list[Priority] = []
        self.learnt: list[tuple[int | None, int | None, float | None]] = []
        self.held: list[float] = []

    async def spend(self, priority: Priority) -> None:
        self.spent.append(priority)

    def learn(self, *, left: int | None, quota: int | None, reset_s: float | None) -> None:
        self.learnt.append((left, quota, reset_s))

    def hold(self, wait_s: float) -> None:
        self.held.append(wait_s)


class Recorder:
    """Passes requests on and keeps them with their answers. Pictures of ``pictures.invalid`` exist."""

    sent: ClassVar[list[Request]] = []
    """All requests of one test, whoever recorded them."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.calls: list[tuple[Request, Response | None]] = []

    async def send(self, request: Request, *, timeout_s: float) -> Response:
        if request.url.startswith(PICTURES):
            return Response(status=200, headers={"content-type": "image/png"}, body=await picture(request.url))
        if "/stores/" in request.url:
            Recorder.sent.append(request)
        at = len(self.calls)
        self.calls.append((request, None))
        response = await self._inner.send(request, timeout_s=timeout_s)
        self.calls[at] = (request, response)
        return response

    def bodies(self, method: str, path: str) -> list[Any]:
        """Bodies sent to a path (``/catalog/products``), oldest first."""
        return [
            json.loads(request.body) if request.body else None
            for request, _ in self.calls
            if request.method == method and request.url.partition("?")[0].endswith(f"/v3{path}")
        ]


async def picture(url: str) -> bytes:
    return png(url.removeprefix(PICTURES))


def picture_hash(name: str) -> str:
    return hashlib.sha256(png(name)).hexdigest()


class Seat:
    """One twin store and the connector to it."""

    def __init__(self, twin: TwinSettings | None = None, *, figures: Figures | None = None, **settings: Any) -> None:
        self.desk = Desk(twin, figures=figures)
        self.twin = self.desk.twin
        self.twin._fetch = picture  # the twin reaches the pictures of these tests as the connector does
        self.merchant = self.desk.merchant
        self.purse = Purse()
        self.wire = Recorder(self.desk.transport)
        self.connector = connector_on(self.wire, self.purse, self.desk, **settings)

    async def read(self, key: str, kind: Kind = Kind.PRODUCT) -> Record:
        record = (await self.connector.read(kind, [Key(key)], FREE))[Key(key)]
        assert record is not None
        return record

    async def product(self, sku: str) -> Record:
        """The record of the product that the twin has under this SKU."""
        return await self.read(str(self.merchant.product(sku).product.id))

    async def write(self, *changes: Change, permit: Permit = FREE) -> Mapping[Key, Outcome]:
        return await self.connector.write(changes[0].kind, changes, permit)

    async def written(self, *changes: Change) -> list[Outcome]:
        """Write; nothing may fail."""
        outcomes = await self.write(*changes)
        assert {ref: str(o.error) for ref, o in outcomes.items() if o.error} == {}
        return [outcomes[change.ref] for change in changes]

    def writes(self) -> int:
        return self.twin.calls.writes


def connector_on(transport: Transport, purse: Purse, desk: Desk, **settings: Any) -> BigCommerce:
    values = {
        "store_hash": desk.twin.settings.store_hash,
        "access_token": "twin-token",
        "client_secret": CLIENT_SECRET,
        "hook_secret": HOOK_SECRET,
        "api_url": desk.twin.origin,
        "tree_cache_s": 0,
        **settings,
    }
    return create(values, transport=transport, budget=purse, clock=desk.clock, connection=ConnectionName("shop"))


def update(theirs: Record, fields: Fields | None = None, **parts: PartsChange) -> Change:
    """A change of a record that is there, as the engine words it."""
    whole: dict[str, dict[str, Fields]] = {}
    for collection, there in theirs.parts.items():
        change = parts.get(collection, PartsChange())
        kept = {k: {**f, **change.update.get(k, {})} for k, f in there.items() if k not in change.delete}
        whole[collection] = {**kept, **change.create}
    return Change(
        ref=Key(f"source-{theirs.key}"),
        kind=theirs.kind,
        op=Op.UPDATE,
        key=theirs.key,
        fields=fields or {},
        parts=parts,
        wanted=msgspec.structs.replace(theirs, fields={**theirs.fields, **(fields or {})}, parts=whole),
        theirs=theirs,
    )


def new(kind: Kind, ref: str, fields: Fields, parts: Mapping[str, Mapping[str, Fields]] | None = None) -> Change:
    """A creation; keys of parts start with ``+``."""
    parts = parts or {}
    wanted = Record(kind=kind, key=Key(ref), fields=fields, parts=parts)
    return Change(
        ref=Key(ref),
        kind=kind,
        op=Op.CREATE,
        fields=fields,
        parts={collection: PartsChange(create=entries) for collection, entries in parts.items()},
        wanted=wanted,
    )


def removal(kind: Kind, key: str) -> Change:
    return Change(ref=Key(f"source-{key}"), kind=kind, op=Op.DELETE, key=Key(key))


def big_product(values: Sequence[str], *, images: int = 10, sku: str = "BIG") -> Change:
    """A product with one variant per value and ten images."""
    return new(
        Kind.PRODUCT,
        sku,
        {"name": f"Product {sku}", "sku": sku, "price": 10, "weight": 1, "description": "<p>Old</p>"},
        {
            "options": {"+o": {"name": "Size", "type": "dropdown", "sort_order": 0}},
            "option_values": {
                f"+v{i}": {"option": "+o", "label": label, "sort_order": i, "is_default": False}
                for i, label in enumerate(values)
            },
            "variants": {
                f"+{i}": {"sku": f"{sku}-{label}", "option_values": frozenset({f"+v{i}"}), "price": 10 + i}
                for i, label in enumerate(values)
            },
            "images": {
                f"+i{i}": {"url": f"{PICTURES}{sku}-{i}", "sort_order": i, "is_thumbnail": i == 0, "description": ""}
                for i in range(images)
            },
        },
    )
