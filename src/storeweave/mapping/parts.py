"""Which part here is which part there: options, values, variants and images of one record.

Links once made are kept by id, so a renamed option or a changed SKU is followed. What is not linked yet is matched by
its natural identity, and only against parts of the other side that nobody else claims.
"""

from __future__ import annotations

from collections.abc import Mapping

from storeweave.mapping.wanted import Links
from storeweave.model.kinds import SCHEMAS, PartSchema
from storeweave.model.records import Fields, Record, Value


def link_parts(source: Record, theirs: Record | None, known: Links) -> dict[str, dict[str, str]]:
    """Links of all parts of ``source`` that exist at the destination, as far as ``theirs`` shows.

    ``theirs`` None: nothing was read, the known links stand. Links to parts that are gone there are dropped, and so
    are links of parts that are gone here.
    """
    links: dict[str, dict[str, str]] = {}
    for collection, schema in SCHEMAS[source.kind].parts.items():
        here = source.parts.get(collection)
        if here is None:
            if collection in known:
                links[collection] = dict(known[collection])
            continue
        there = theirs.parts.get(collection) if theirs is not None else None
        old = known.get(collection, {})
        if there is None:
            links[collection] = {k: v for k, v in old.items() if k in here}
            continue
        kept = {k: v for k, v in old.items() if k in here and v in there}
        links[collection] = kept | _match(schema, here, there, kept, links)
    return links


def unmatched_images(source: Record, theirs: Record, links: Links) -> tuple[list[str], list[str]]:
    """Keys of images here and there that no link explains and whose bytes are unknown on either side.

    Empty on one side means that there is nothing to compare, and no bytes need be fetched.
    """
    linked = links.get("images", {})
    taken = set(linked.values())
    here = [k for k in source.parts.get("images", {}) if k not in linked]
    there = [k for k in theirs.parts.get("images", {}) if k not in taken]
    return (here, there) if here and there else ([], [])


def _match(
    schema: PartSchema,
    here: Mapping[str, Fields],
    there: Mapping[str, Fields],
    kept: Mapping[str, str],
    links: Links,
) -> dict[str, str]:
    found: dict[str, str] = {}
    taken = set(kept.values())
    for natural in schema.natural:
        by_identity: dict[Value, list[str]] = {}
        for key, fields in there.items():
            identity = _identity(natural, fields, None)
            if key not in taken and identity is not None:
                by_identity.setdefault(identity, []).append(key)
        for key, fields in here.items():
            if key in kept or key in found:
                continue
            identity = _identity(natural, fields, links)
            candidates = by_identity.get(identity) if identity is not None else None
            if candidates:
                found[key] = candidates.pop(0)
                taken.add(found[key])
    return found


def _identity(natural: str, fields: Fields, links: Links | None) -> Value:
    """The value that identifies a part; ``links`` carries part keys of the source into the destination's space."""
    if natural == "option+label":
        option = fields.get("option")
        option = links.get("options", {}).get(str(option)) if links is not None else option
        return None if option is None else f"{option}/{fields.get('label')}"
    value = fields.get(natural)
    if isinstance(value, frozenset):
        if links is None:
            return value
        known = links.get("option_values", {})
        there = [known.get(str(v)) for v in value]
        return None if any(v is None for v in there) else frozenset(str(v) for v in there)
    return value or None
