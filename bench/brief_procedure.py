"""The procedure that brief 1 describes, as a straightforward client of the same API, for comparison.

For every event the whole product is read from store A, found in store B by its SKU, and made again there: its fields
are written, its brand and categories looked up by name (and created), its images and variants deleted and created anew.
It gets the benefit of the doubt: several events of one product within a tick count once, lists are read whole, and
options that exist are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from storeweave.ports.transport import Request, Transport

FIELDS = (
    "name",
    "type",
    "sku",
    "description",
    "weight",
    "width",
    "depth",
    "height",
    "price",
    "cost_price",
    "retail_price",
    "sale_price",
    "map_price",
    "inventory_level",
    "inventory_warning_level",
    "inventory_tracking",
    "is_free_shipping",
    "is_visible",
    "is_featured",
    "warranty",
    "bin_picking_number",
    "upc",
    "mpn",
    "gtin",
    "search_keywords",
    "availability",
    "availability_description",
    "condition",
    "is_condition_shown",
    "order_quantity_minimum",
    "order_quantity_maximum",
    "page_title",
    "meta_keywords",
    "meta_description",
    "sort_order",
    "custom_url",
    "layout_file",
)
VARIANT_FIELDS = (
    "sku",
    "price",
    "cost_price",
    "retail_price",
    "sale_price",
    "weight",
    "width",
    "height",
    "depth",
    "is_free_shipping",
    "fixed_cost_shipping_price",
    "purchasing_disabled",
    "purchasing_disabled_message",
    "upc",
    "mpn",
    "gtin",
    "inventory_level",
    "inventory_warning_level",
    "bin_picking_number",
)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class RefusedCallError(Exception):
    """The store said no. The procedure tries again at its next tick, for ever."""


class Shop:
    """One store, seen through its API."""

    def __init__(self, base_url: str, token: str, transport: Transport) -> None:
        self._base = base_url
        self._headers = {"x-auth-token": token, "accept": "application/json", "content-type": "application/json"}
        self._transport = transport

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call; the ``data`` of its answer."""
        content = b"" if body is None else _ENCODER.encode(body)
        request = Request(method=method, url=self._base + path, headers=self._headers, body=content)
        answer = await self._transport.send(request, timeout_s=30.0)
        if answer.status >= 300:
            raise RefusedCallError(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        return _DECODER.decode(answer.body)["data"] if answer.body else None


class BriefProcedure:
    """Copies products from one shop to another, one at a time."""

    def __init__(self, source: Shop, destination: Shop) -> None:
        self._source = source
        self._destination = destination

    async def sync(self, product_id: int) -> None:
        """One product, whatever has changed about it. Raises RefusedCallError."""
        included = "variants,images,custom_fields,bulk_pricing_rules,options"
        theirs = await self._source.call("GET", f"/catalog/products/{product_id}?include={included}")
        body = {name: theirs[name] for name in FIELDS if theirs.get(name) is not None}
        body["brand_id"] = await self._brand(theirs["brand_id"])
        body["categories"] = [await self._category(number) for number in theirs["categories"]]
        found = await self._destination.call("GET", f"/catalog/products?sku={quote(theirs['sku'])}")
        if found:
            there = found[0]["id"]
            await self._destination.call("PUT", f"/catalog/products/{there}", body)
        else:
            there = (await self._destination.call("POST", "/catalog/products", body))["id"]
        await self._images(there, theirs["images"])
        await self._variants(there, theirs)

    async def _brand(self, number: int) -> int:
        if not number:
            return 0
        brand = await self._source.call("GET", f"/catalog/brands/{number}")
        found = await self._destination.call("GET", f"/catalog/brands?name={quote(brand['name'])}")
        if not found:
            return int((await self._destination.call("POST", "/catalog/brands", {"name": brand["name"]}))["id"])
        return int(found[0]["id"])

    async def _category(self, number: int) -> int:
        """By name below the same parent, from the root down."""
        names: list[Mapping[str, Any]] = []
        while number:
            names.append(await self._source.call("GET", f"/catalog/categories/{number}"))
            number = names[-1]["parent_id"]
        parent = 0
        for theirs in reversed(names):
            path = f"/catalog/categories?name={quote(theirs['name'])}&parent_id={parent}"
            found = await self._destination.call("GET", path)
            if not found:
                body = {"name": theirs["name"], "parent_id": parent, "is_visible": theirs["is_visible"]}
                found = [await self._destination.call("POST", "/catalog/categories", body)]
            parent = found[0]["id"]
        return parent

    async def _images(self, there: int, theirs: Sequence[Mapping[str, Any]]) -> None:
        base = f"/catalog/products/{there}/images"
        for image in await self._destination.call("GET", f"{base}?limit=250"):
            await self._destination.call("DELETE", f"{base}/{image['id']}")
        for image in theirs:
            body = {name: image[name] for name in ("description", "sort_order", "is_thumbnail")}
            await self._destination.call("POST", base, {**body, "image_url": image["url_zoom"]})

    async def _variants(self, there: int, theirs: Mapping[str, Any]) -> None:
        if not theirs["options"]:
            return
        await self._options(there, theirs["options"])
        base = f"/catalog/products/{there}/variants"
        for variant in await self._destination.call("GET", f"{base}?limit=250"):
            if variant["option_values"]:
                await self._destination.call("DELETE", f"{base}/{variant['id']}")
        for variant in theirs["variants"]:
            choices = [
                {"option_display_name": choice["option_display_name"], "label": choice["label"]}
                for choice in variant["option_values"]
            ]
            body = {name: variant[name] for name in VARIANT_FIELDS if variant.get(name) is not None}
            await self._destination.call("POST", base, {**body, "option_values": choices})

    async def _options(self, there: int, theirs: Sequence[Mapping[str, Any]]) -> None:
        base = f"/catalog/products/{there}/options"
        known = {option["display_name"]: option for option in await self._destination.call("GET", base)}
        for option in theirs:
            values = [_value(value) for value in option["option_values"]]
            mine = known.get(option["display_name"])
            if mine is None:
                body = {name: option[name] for name in ("display_name", "type", "sort_order")}
                await self._destination.call("POST", base, {**body, "option_values": values})
                continue
            labels = {value["label"] for value in mine["option_values"]}
            for value in values:
                if value["label"] not in labels:
                    await self._destination.call("POST", f"{base}/{mine['id']}/values", value)


def _value(theirs: Mapping[str, Any]) -> dict[str, Any]:
    value = {name: theirs[name] for name in ("label", "sort_order", "is_default")}
    if theirs.get("value_data"):
        value["value_data"] = theirs["value_data"]
    return value
