"""A memory shop with somebody in it: the verbs of the merchant who works at its screen, and the whole truth about it.

Every verb first lets happen what is due by now, so that the order of things is that of the clock. All of them raise
RefusedError as the shop's rules say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import product as combinations
from typing import Any

import msgspec

from storeweave.connectors.memory.content import Lossy, PartKeys
from storeweave.connectors.memory.state import ShopState
from storeweave.connectors.memory.truth import truth_of
from storeweave.model.errors import RefusedError
from storeweave.model.kinds import SCHEMAS, Key, Kind
from storeweave.model.records import NEW, Fields, Parts, PartsChange, Record, Value


def content_hash_of(picture: str) -> str:
    """The bytes of a picture are its name in UTF-8; this is their SHA-256."""
    return hashlib.sha256(picture.encode()).hexdigest()


def as_new(kind: Kind, parts: Parts) -> dict[str, PartsChange]:
    """Parts of another key space as parts to be created, with their references to each other kept."""
    result = {}
    for collection, schema in SCHEMAS[kind].parts.items():
        inner = {name for name, field in schema.fields.items() if field.part is not None}
        new = {
            NEW + key: {name: _renewed(value) if name in inner else value for name, value in fields.items()}
            for key, fields in parts.get(collection, {}).items()
        }
        if new:
            result[collection] = PartsChange(create=new)
    return result


def _renewed(value: Value) -> Value:
    if isinstance(value, frozenset):
        return frozenset(NEW + str(v) for v in value)
    return NEW + value if isinstance(value, str) else value


class MemoryShop(ShopState):
    """One store and its merchant."""

    # --- products ---------------------------------------------------------------------------------------------------

    def create_product(
        self,
        name: str,
        *,
        sku: str | None = None,
        options: Mapping[str, Sequence[str]] | None = None,
        pictures: Sequence[str] = (),
        **fields: Value,
    ) -> Key:
        """A product; with options also a variant for every combination of their labels (SKU ``<sku>-S-Red``)."""
        parts = _combined(sku or name, options or {})
        if pictures:
            parts["images"] = PartsChange(
                create={f"{NEW}{i}": _picture(p, i, thumbnail=i == 0) for i, p in enumerate(pictures)}
            )
        self.touch()
        given = {"name": name, **({"sku": sku} if sku is not None else {}), **fields}
        return self.create(Kind.PRODUCT, given, parts)[0].key

    def create_record(self, record: Record) -> Key:
        """A record as somebody else describes it; its references to other records must be keys of this shop."""
        self.touch()
        return self.create(record.kind, record.fields, as_new(record.kind, record.parts))[0].key

    def load(self, records: Iterable[Record]) -> dict[tuple[Kind, Key], Key]:
        """Records that refer to each other by keys of their own, what is referred to first; the new keys."""
        keys: dict[tuple[Kind, Key], Key] = {}
        for record in records:
            fields = dict(record.fields)
            for name, schema in SCHEMAS[record.kind].fields.items():
                value = fields.get(name)
                if schema.kind is not None and isinstance(value, frozenset):
                    fields[name] = frozenset(keys[schema.kind, Key(str(v))] for v in value)
                elif schema.kind is not None and isinstance(value, str):
                    fields[name] = keys[schema.kind, Key(value)]
            keys[record.kind, record.key] = self.create_record(msgspec.structs.replace(record, fields=fields))
        return keys

    def edit_product(self, key: Key, **fields: Value) -> None:
        self.edit(Kind.PRODUCT, key, **fields)

    def delete_product(self, key: Key) -> None:
        self.touch()
        self.delete(Kind.PRODUCT, key)

    def list_product(self, key: Key, state: str | None) -> None:
        """Set the state of the product's listing on the channel; None: not listed."""
        self.edit(Kind.PRODUCT, key, listing_state=state)

    def key_of(self, kind: Kind, name: str) -> Key:
        """The key of the record with this SKU, name or (category) path. Raises KeyError unless there is exactly one."""
        wanted = {f"sku:{name}", f"name:{name}", f"name:{name.casefold()}", f"path:{name.casefold()}"}
        every = (self.look(kind, key, late=False) for key in self.records[kind])
        found = [record.key for record in every if record is not None and not wanted.isdisjoint(record.matches)]
        if len(found) != 1:
            raise KeyError(f"{len(found)} records of kind {kind} are called {name}")
        return found[0]

    # --- parts of products ------------------------------------------------------------------------------------------

    def add_option(self, product: Key, name: str, labels: Sequence[str]) -> dict[str, str]:
        """A new option; the keys of its values by label."""
        values = {f"{NEW}{i}": _value(f"{NEW}o", label, i) for i, label in enumerate(labels)}
        made = self._part(
            product,
            {
                "options": PartsChange(create={f"{NEW}o": {"name": name, "type": "dropdown"}}),
                "option_values": PartsChange(create=values),
            },
        )
        return {label: made["option_values"][f"{NEW}{i}"] for i, label in enumerate(labels)}

    def add_option_value(self, product: Key, option: str, label: str) -> str:
        """A new label of an option, which is named by its name; its key."""
        here = self.records[Kind.PRODUCT][product].parts.get("options", {})
        key = next(k for k, f in here.items() if f.get("name") == option)
        return self._add(product, "option_values", {"option": key, "label": label})

    def add_variant(self, product: Key, sku: str | None, labels: Mapping[str, str], **fields: Value) -> str:
        """A new variant; ``labels`` are option name -> label. Its key."""
        parts = self.records[Kind.PRODUCT][product].parts
        names = {k: str(f.get("name")) for k, f in parts.get("options", {}).items()}
        values = {
            (names.get(str(f.get("option"))), f.get("label")): k for k, f in parts.get("option_values", {}).items()
        }
        unknown = labels.items() - values.keys()
        if unknown:
            raise RefusedError(f"there is no {min(unknown)}", code="missing-reference")
        chosen = frozenset(values[pair] for pair in labels.items())
        return self._add(product, "variants", {"sku": sku, "option_values": chosen, **fields})

    def variant_of(self, product: Key, sku: str) -> str:
        """The key of the variant with this SKU. Raises KeyError."""
        for key, fields in self.records[Kind.PRODUCT][product].parts.get("variants", {}).items():
            if fields.get("sku") == sku:
                return key
        raise KeyError(f"product {product} has no variant {sku}")

    def edit_variant(self, product: Key, variant: str, **fields: Value) -> None:
        self.edit_part(product, "variants", variant, **fields)

    def delete_variant(self, product: Key, variant: str) -> None:
        self.delete_part(product, "variants", variant)

    def add_image(self, product: Key, picture: str, **fields: Value) -> str:
        """A new image with the bytes of ``picture`` (any text); its key."""
        return self._add(product, "images", {"content": content_hash_of(picture), **fields})

    def edit_image(self, product: Key, image: str, **fields: Value) -> None:
        self.edit_part(product, "images", image, **fields)

    def delete_image(self, product: Key, image: str) -> None:
        self.delete_part(product, "images", image)

    def edit_part(self, product: Key, collection: str, key: str, **fields: Value) -> None:
        self._part(product, {collection: PartsChange(update={key: fields})})

    def delete_part(self, product: Key, collection: str, key: str) -> None:
        self._part(product, {collection: PartsChange(delete=(key,))})

    def parts_of(self, product: Key, collection: str) -> dict[str, Fields]:
        """A collection as it is now: key -> fields."""
        return dict(self.records[Kind.PRODUCT][product].parts.get(collection, {}))

    # --- categories and brands --------------------------------------------------------------------------------------

    def create_category(self, name: str, *, parent: Key | None = None, **fields: Value) -> Key:
        self.touch()
        return self.create(Kind.CATEGORY, {"name": name, "parent": parent, **fields})[0].key

    def edit_category(self, key: Key, **fields: Value) -> None:
        self.edit(Kind.CATEGORY, key, **fields)

    def delete_category(self, key: Key) -> None:
        self.touch()
        self.delete(Kind.CATEGORY, key)

    def create_brand(self, name: str, **fields: Value) -> Key:
        self.touch()
        return self.create(Kind.BRAND, {"name": name, **fields})[0].key

    def edit(self, kind: Kind, key: Key, **fields: Value) -> None:
        """Change fields of a record of any kind."""
        self.touch()
        self.set_fields(kind, key, fields)

    # --- oracle -----------------------------------------------------------------------------------------------------

    def truth(self, *, lossy: Lossy | None = None) -> dict[str, dict[str, Any]]:
        """Everything there is, by natural names instead of keys (see ``truth_of``); as a lossy shop would keep it."""
        self.touch()
        return truth_of(self.records, path=self.path, lossy=lossy)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _part(self, product: Key, changes: Mapping[str, PartsChange]) -> PartKeys:
        self.touch()
        return self.set_parts(Kind.PRODUCT, product, changes)[1]

    def _add(self, product: Key, collection: str, fields: Fields) -> str:
        return self._part(product, {collection: PartsChange(create={f"{NEW}p": fields})})[collection][f"{NEW}p"]


def _picture(picture: str, order: int, *, thumbnail: bool) -> dict[str, Value]:
    return {"content": content_hash_of(picture), "description": picture, "sort_order": order, "is_thumbnail": thumbnail}


def _value(option: str, label: str, order: int) -> dict[str, Value]:
    return {"option": option, "label": label, "sort_order": order}


def _combined(stem: str, options: Mapping[str, Sequence[str]]) -> dict[str, PartsChange]:
    """Options, their values, and all their combinations, as parts to be created."""
    if not options:
        return {}
    refs = {(name, label): f"{NEW}{name}/{label}" for name, labels in options.items() for label in labels}
    combined = list(combinations(*options.values()))
    return {
        "options": PartsChange(
            create={
                f"{NEW}{name}": {"name": name, "type": "dropdown", "sort_order": i} for i, name in enumerate(options)
            }
        ),
        "option_values": PartsChange(
            create={
                ref: _value(f"{NEW}{name}", label, options[name].index(label)) for (name, label), ref in refs.items()
            }
        ),
        "variants": PartsChange(
            create={
                f"{NEW}{i}": {
                    "sku": "-".join([stem, *labels]),
                    "option_values": frozenset(refs[pair] for pair in zip(options, labels, strict=True)),
                }
                for i, labels in enumerate(combined)
            }
        ),
    }
