"""The vendor's OpenAPI files as a judge of answers (and of requests), and the list of what the files get wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from openapi_schema_validator import OAS30Validator

FILES = {
    "products_catalog.v3.yml": "v3",
    "product-variants_catalog.v3.yml": "v3",
    "product-variant-options_catalog.v3.yml": "v3",
    "product-modifiers_catalog.v3.yml": "v3",
    "categories_catalog.v3.yml": "v3",
    "category-trees_catalog.v3.yml": "v3",
    "brands_catalog.v3.yml": "v3",
    "channels.v3.yml": "v3",
    "inventory.v3.yml": "v3",
    "locations.v3.yml": "v3",
    "webhooks.v3.yml": "v3",
    "store_information.v2.yml": "v2",
}


class VendorContract:
    """All operations of the files, by method and path."""

    def __init__(self, folder: Path) -> None:
        self._operations: list[tuple[str, re.Pattern[str], str, Any, Any]] = []
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for name, api in FILES.items():
            document = yaml.load((folder / name).read_text(), Loader=loader)
            for path, item in document["paths"].items():
                pattern = re.compile(f"/{api}" + re.sub(r"\{[^}]+\}", r"\\d+", path))
                for method in ("get", "post", "put", "delete"):
                    if method in item:
                        self._operations.append((method.upper(), pattern, path, item[method], document))

    def operation(self, method: str, path: str) -> tuple[str, Any, Any] | None:
        """The path template, the operation and its file, for ``/v3/catalog/products/12`` and the like."""
        for known, pattern, template, operation, document in self._operations:
            if known == method and pattern.fullmatch(path):
                return template, operation, document
        return None

    def faults(self, method: str, path: str, status: int, body: Any) -> Iterator[str]:
        """What is wrong with an answer by the vendor's schema, one line per fault."""
        found = self.operation(method, path)
        if found is None:
            yield f"{method} {path}: the vendor has no such operation"
            return
        template, operation, document = found
        answer = operation["responses"].get(str(status))
        if answer is None:
            yield f"{method} {template} {status}: no such answer"
            return
        schema = _json_schema(_resolved(document, answer))
        if schema is None or body is None:
            return
        for error in _validator(document, schema).iter_errors(body):
            place = "/".join("*" if isinstance(part, int) else str(part) for part in error.absolute_path)
            yield f"{method} {template} {status} {place}: {error.message[:120]}"

    def request_faults(self, method: str, path: str, body: Any) -> Iterator[str]:
        """What is wrong with a request's body by the vendor's schema."""
        found = self.operation(method, path)
        if found is None:
            yield f"{method} {path}: the vendor has no such operation"
            return
        template, operation, document = found
        if "requestBody" not in operation:
            if body is not None:
                yield f"{method} {template}: takes no body"
            return
        schema = _json_schema(_resolved(document, operation["requestBody"]))
        for error in _validator(document, schema).iter_errors(body) if schema is not None else ():
            place = "/".join("*" if isinstance(part, int) else str(part) for part in error.absolute_path)
            yield f"{method} {template} {place}: {error.message[:120]}"


def _resolved(document: Any, node: Any) -> Any:
    while isinstance(node, Mapping) and "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/")]
        node = target
    return node


def _json_schema(holder: Any) -> Any:
    return holder.get("content", {}).get("application/json", {}).get("schema")


def _validator(document: Any, schema: Any) -> Any:
    return OAS30Validator({"allOf": [schema], "components": document.get("components", {})})
