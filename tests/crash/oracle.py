"""Judges a run from outside: two stores' own states, their counts of things made twice, and what was acknowledged.

The same rules as the twins' ``compare_stores``, on states that came over the wire from two processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from storeweave.connectors.bigcommerce.twin.compare import NOT_OURS

State = Mapping[str, Any]


def differences(source: State, destination: State) -> list[str]:
    """Everything in which the destination is not what the source is."""
    used_brands = {product["brand"] for product in source["products"].values()}
    needed = {
        "products": set(source["products"]),
        "categories": set(source["categories"]),
        "brands": set(source["brands"]) & (used_brands | set(destination["brands"])),
    }
    found = []
    for kind, names in needed.items():
        ours, theirs = source[kind], destination[kind]
        found += [f"{kind} {name}: missing" for name in sorted(names - set(theirs))]
        found += [f"{kind} {name}: nobody at the source has it" for name in sorted(set(theirs) - set(ours))]
        for name in sorted(names & set(theirs)):
            found += [f"{kind} {name} {text}" for text in _unequal("", ours[name], theirs[name])]
    return found


def doubles(destination: State, counted: Mapping[str, Sequence[str]]) -> list[str]:
    """What was made twice: by the store's own counts, by name, and pictures that a product has twice."""
    found = [f"{sort}: {text}" for sort, texts in counted.items() for text in texts]
    names = Counter(product["name"].lower() for product in destination["products"].values())
    found += [f"product name {name}" for name, count in names.items() if count > 1]
    for key, product in destination["products"].items():
        contents = Counter(image["content"] for image in product["images"])
        found += [f"image {content} of {key}" for content, count in contents.items() if count > 1]
    return found


def _unequal(path: str, ours: Any, theirs: Any) -> Iterator[str]:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for name in sorted((ours.keys() | theirs.keys()) - NOT_OURS):
            yield from _unequal(f"{path}/{name}".lstrip("/"), ours.get(name), theirs.get(name))
    elif ours != theirs:
        yield f"{path}: {ours!r} at the source, {theirs!r} at the destination"
