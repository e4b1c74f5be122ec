"""The content of one record of a memory shop: which values it takes, how parts change, how it is shown.

Pure: records in, records out. What depends on other records (uniqueness, references) is the shop's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from storeweave.model.encoding import record_digest
from storeweave.model.errors import RefusedError
from storeweave.model.kinds import SCHEMAS, FieldSchema, FieldType, Kind
from storeweave.model.money import canonical
from storeweave.model.records import NEW, Fields, Parts, PartsChange, Value

PartKeys = dict[str, dict[str, str]]
"""collection -> key in the change -> key in the shop"""

_TAKES: Mapping[FieldType, type | tuple[type, ...]] = {
    FieldType.FLAG: bool,
    FieldType.COUNT: int,
    FieldType.DECIMAL: Decimal,
    FieldType.MONEY: Decimal,
    FieldType.TEXTS: frozenset,
    FieldType.ROWS: frozenset,
    FieldType.REFS: frozenset,
    FieldType.PARTS: frozenset,
}


class Lossy(msgspec.Struct, frozen=True, kw_only=True):
    """How a shop spoils what it is given, so that reading back differs from what was written."""

    trims: frozenset[str] = frozenset({"name", "page_title", "label"})
    lowers: frozenset[str] = frozenset({"search_keywords", "url_path"})
    price_places: int | None = 2


def stored(fields: Fields, schemas: Mapping[str, FieldSchema], lossy: Lossy | None) -> dict[str, Value]:
    """The fields as the shop keeps them. Raises RefusedError (unknown field), TypeError (wrong type)."""
    return {name: _stored_value(name, value, schemas, lossy) for name, value in fields.items()}


def _stored_value(name: str, value: Value, schemas: Mapping[str, FieldSchema], lossy: Lossy | None) -> Value:
    schema = schemas.get(name)
    if schema is None:
        raise RefusedError(f"there is no field {name}", code="invalid")
    if value is None:
        return None
    takes = _TAKES.get(schema.type, str)
    if not isinstance(value, takes) or (takes is int and isinstance(value, bool)):
        raise TypeError(f"{name} takes {takes}, not {value!r}")
    if isinstance(value, Decimal):
        value = canonical(value)
    return value if lossy is None else _spoiled(name, value, schema, lossy)


def _spoiled(name: str, value: Value, schema: FieldSchema, lossy: Lossy) -> Value:
    if isinstance(value, str):
        value = value.strip() if name in lossy.trims else value
        return value.lower() if name in lossy.lowers else value
    if isinstance(value, Decimal) and schema.type is FieldType.MONEY and lossy.price_places is not None:
        return canonical(value.quantize(Decimal(1).scaleb(-lossy.price_places), rounding=ROUND_HALF_UP))
    return value


def content_of(url: str) -> str:
    """SHA-256 (hex) of the bytes behind a memory URL: its last segment where that is one, else the hash of the URL."""
    last = url.rpartition("/")[2]
    if len(last) == 64 and all(c in "0123456789abcdef" for c in last):
        return last
    return hashlib.sha256(url.encode()).hexdigest()


def changed_parts(
    kind: Kind,
    parts: Parts,
    changes: Mapping[str, PartsChange],
    *,
    next_key: Callable[[str], str],
    image_url: Callable[[str, str], str],
    lossy: Lossy | None,
) -> tuple[dict[str, dict[str, Fields]], PartKeys]:
    """All collections after ``changes``, and the keys of the parts that were created.

    Collections change in the order of the schema, so that new parts can refer to new parts of an earlier collection.
    What referred to a deleted part goes with it: an option's values, and the variants that use them.
    Raises RefusedError: ``missing`` (update of a part that is not there), ``missing-reference``, ``duplicate``.
    """
    result: dict[str, dict[str, Fields]] = {collection: dict(p) for collection, p in parts.items()}
    made: PartKeys = {}
    for collection, schema in SCHEMAS[kind].parts.items():
        change = changes.get(collection)
        here = result.setdefault(collection, {})
        if change is None:
            continue
        for key in change.delete:
            here.pop(key, None)
        for key, fields in change.update.items():
            if key not in here:
                raise RefusedError(f"{collection} {key} does not exist", code="missing")
            new = stored(_resolved(fields, schema.fields, made), schema.fields, lossy)
            here[key] = (
                _with_bytes({**here[key], **new}, new, key, image_url)
                if collection == "images"
                else {
                    **here[key],
                    **new,
                }
            )
        for ref, fields in change.create.items():
            key = next_key(collection)
            made.setdefault(collection, {})[ref] = key
            new = stored(_resolved(fields, schema.fields, made), schema.fields, lossy)
            here[key] = _with_bytes(new, new, key, image_url) if collection == "images" else new
        if collection == "images":
            _keep_one_thumbnail(here, [*change.update, *made.get("images", {}).values()])
    unknown = changes.keys() - SCHEMAS[kind].parts.keys()
    if unknown:
        raise RefusedError(f"a {kind} has no {', '.join(sorted(unknown))}", code="invalid")
    _drop_orphans(kind, result, changes)
    return result, made


def _resolved(fields: Fields, schemas: Mapping[str, FieldSchema], made: PartKeys) -> Fields:
    """The fields with references to parts of the same change replaced by the keys that those got."""
    result = dict(fields)
    for name, value in fields.items():
        schema = schemas.get(name)
        if schema is None or schema.part is None:
            continue
        keys = made.get(schema.part, {})
        if isinstance(value, str):
            result[name] = _part_key(value, keys)
        elif isinstance(value, frozenset):
            result[name] = frozenset(_part_key(str(v), keys) for v in value)
    return result


def _part_key(key: str, made: Mapping[str, str]) -> str:
    if key.startswith(NEW) and key not in made:
        raise RefusedError(f"{key} was not created", code="missing-reference")
    return made.get(key, key)


def _with_bytes(
    fields: dict[str, Value], given: Fields, key: str, image_url: Callable[[str, str], str]
) -> dict[str, Value]:
    """An image as stored: its bytes are fetched from the URL that was given, and then served under a URL of its own."""
    url, content = given.get("url"), given.get("content")
    if isinstance(url, str):
        content = content_of(url)
    if isinstance(content, str):
        fields["content"] = content
    if not isinstance(fields.get("content"), str):
        raise RefusedError(f"image {key} has no bytes", code="invalid")
    fields["url"] = image_url(key, str(fields["content"]))
    return fields


def _keep_one_thumbnail(images: dict[str, Fields], touched: list[str]) -> None:
    """The image that was made the thumbnail last is the only one."""
    chosen = [key for key in touched if images.get(key, {}).get("is_thumbnail")]
    for key, fields in images.items():
        if chosen and key != chosen[-1] and fields.get("is_thumbnail"):
            images[key] = {**fields, "is_thumbnail": False}


def _drop_orphans(kind: Kind, parts: dict[str, dict[str, Fields]], changes: Mapping[str, PartsChange]) -> None:
    """Remove what used a deleted part; refuse what refers to a part that never was."""
    gone = {collection: set(change.delete) for collection, change in changes.items()}
    for collection, schema in SCHEMAS[kind].parts.items():
        for name, field in schema.fields.items():
            if field.part is None:
                continue
            there, deleted = parts.get(field.part, {}), gone.get(field.part, set())
            for key, fields in list(parts.get(collection, {}).items()):
                value = fields.get(name)
                used = {value} if isinstance(value, str) else set(value) if isinstance(value, frozenset) else set()
                missing = {u for u in used if u not in there}
                if missing <= deleted and missing:
                    del parts[collection][key]
                    gone.setdefault(collection, set()).add(key)
                elif missing:
                    raise RefusedError(
                        f"{collection} {key} refers to {min(map(str, missing))}", code="missing-reference"
                    )


def refuse_twins(parts: Parts) -> None:
    """Raise RefusedError ``duplicate`` for two parts of one identity: options, labels, combinations, variant SKUs."""
    identities: dict[str, list[object]] = {
        "option": [str(f.get("name")).casefold() for f in parts.get("options", {}).values()],
        "option value": [(f.get("option"), f.get("label")) for f in parts.get("option_values", {}).values()],
        "combination": [f.get("option_values") or frozenset() for f in parts.get("variants", {}).values()],
        "variant SKU": [f["sku"] for f in parts.get("variants", {}).values() if f.get("sku")],
    }
    for what, found in identities.items():
        if len(set(found)) < len(found):
            raise RefusedError(f"two parts have the same {what}", code="duplicate")


def matches_of(kind: Kind, fields: Fields, parts: Parts) -> tuple[str, ...]:
    """Natural identities of a record, the best first; of a category only the name, its path is the shop's to know."""
    name, sku = str(fields.get("name") or ""), fields.get("sku")
    if kind is not Kind.PRODUCT:
        return (f"name:{name.strip().casefold()}",)
    found = [f"sku:{sku}"] if sku else []
    skus = dict.fromkeys(f.get("sku") for f in parts.get("variants", {}).values())
    found += [f"variant-sku:{other}" for other in skus if other and other != sku]
    return (*found, f"name:{name}")


def path_match(names: Sequence[str]) -> str:
    """The natural identity of a category: names from the root, in small letters; a slash in a name gets a backslash."""
    return "path:" + "/".join(name.strip().casefold().replace("\\", "\\\\").replace("/", "\\/") for name in names)


def digest_of(fields: Fields, parts: Parts, *, omit: frozenset[str]) -> bytes:
    """What a scan shows, apart from where images are served (their bytes count)."""
    images = parts.get("images")
    if images and "images" not in omit:
        parts = {**parts, "images": {k: {n: v for n, v in f.items() if n != "url"} for k, f in images.items()}}
    return record_digest(fields, parts, omit=omit)
