"""Judges requests by the vendor's OpenAPI files: path, query parameters and their values, body.

Where the files contradict themselves or the vendor's own prose, ``WAIVED`` says why we send it all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from storeweave.ports.transport import Request
from tests.connectors.bigcommerce.vendor_contract import VendorContract, _resolved

WAIVED: Mapping[str, str] = {
    r"POST /catalog/products variants/\*: '(id|product_id)' is a required property": (
        "the schema of answers is used for the variants of a new product; they cannot have ids yet"
    ),
    r"PUT /catalog/variants \*/(cost_price|price|sale_price|retail_price|weight|width|height|depth"
    r"|fixed_cost_shipping_price): None (is not of type 'number'|for not nullable)": (
        "the file says x-nullable, which validators ignore"
    ),
}


class RequestContract:
    """What the vendor's files say of requests."""

    def __init__(self, folder: Path) -> None:
        self._vendor = VendorContract(folder)

    def faults(self, request: Request) -> Iterator[str]:
        """What is wrong with a request, but for what is waived."""
        for fault in self.all_faults(request):
            if not any(re.fullmatch(pattern, fault) for pattern in WAIVED):
                yield fault

    def all_faults(self, request: Request) -> Iterator[str]:
        parts = urlsplit(request.url)
        path = re.sub(r"^/stores/[^/]+", "", parts.path)
        body = json.loads(request.body) if request.body else None
        yield from self._vendor.request_faults(request.method, path, body)
        found = self._vendor.operation(request.method, path)
        if found is not None:
            template, operation, document = found
            yield from _query_faults(f"{request.method} {template}", parts.query, operation, document)
        if "x-auth-token" not in request.headers:
            yield f"{request.method} {path}: no token"
        if body is not None and request.headers.get("content-type") != "application/json":
            yield f"{request.method} {path}: a body that is not called JSON"


def _query_faults(what: str, query: str, operation: Any, document: Any) -> Iterator[str]:
    declared = {}
    for parameter in operation.get("parameters", []):
        found = _resolved(document, parameter)
        if found["in"] == "query":
            declared[found["name"]] = _resolved(document, found.get("schema", {}))
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in declared:
            yield f"{what}: there is no parameter {name}"
            continue
        schema = declared[name]
        items = _resolved(document, schema.get("items", {})) if schema.get("type") == "array" else schema
        for item in value.split(",") if schema.get("type") == "array" else [value]:
            if items.get("type") == "integer" and not re.fullmatch(r"-?\d+", item):
                yield f"{what}: {name} must be whole numbers, not {item!r}"
            if "enum" in items and item not in map(str, items["enum"]):
                yield f"{what}: {name} cannot be {item!r}"
        if "maximum" in schema and value.isdigit() and int(value) > schema["maximum"]:
            yield f"{what}: {name} is larger than {schema['maximum']}"
