"""What a merchant does in the control panel, by SKUs and names: scripts live a store's life with it.

Everything has the same effects, also on webhooks, as the API call behind it, and counts as no call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from storeweave.connectors.bigcommerce.twin import stock
from storeweave.connectors.bigcommerce.twin.channels import set_assigned
from storeweave.connectors.bigcommerce.twin.goods import Category, Entry, Variant
from storeweave.twinkit.pictures import png

if TYPE_CHECKING:
    from storeweave.connectors.bigcommerce.twin.store import BigCommerceTwin


class MerchantError(Exception):
    """The store refused what the merchant wanted."""


class Merchant:
    """One store's owner."""

    def __init__(self, twin: BigCommerceTwin) -> None:
        self._twin = twin
        self._shop = twin.shop
        self._base = f"/stores/{twin.settings.store_hash}/v3"

    def do(self, method: str, path: str, body: Any = None, *, fetched: Mapping[str, bytes] | None = None) -> Any:
        """Any operation of the V3 API; its ``data``. Raises MerchantError."""
        answer = self._twin.do(method, self._base + path, body, fetched=fetched)
        if answer.status >= 300 or answer.status == 207:
            raise MerchantError(f"{method} {path}: {answer.status} {answer.body.decode()}")
        return msgspec.json.decode(answer.body).get("data") if answer.body else None

    # Finding.

    def product(self, sku: str) -> Entry:
        """The product with this SKU, or of which a variant has it."""
        owner = self._shop.skus.get(sku.lower())
        if owner is None:
            raise MerchantError(f"no product with SKU {sku}")
        return self._shop.entries[owner[0]]

    def variant(self, sku: str) -> Variant:
        for variant in self.product(sku).variants:
            if variant.sku.lower() == sku.lower():
                return variant
        raise MerchantError(f"no variant with SKU {sku}")

    def category(self, path: str) -> Category:
        """By its path, such as ``Home > Cups``."""
        for category in self._shop.categories.values():
            if " > ".join(self._shop.category_path(category.id)) == path:
                return category
        raise MerchantError(f"no category {path}")

    def skus(self) -> list[str]:
        """SKUs of the products, oldest first."""
        return [entry.product.sku for entry in self._shop.entries.values() if entry.product.sku]

    # Products.

    def create_product(self, name: str, sku: str, price: Any, **fields: Any) -> int:
        """The new product's id."""
        body = {"name": name, "sku": sku, "price": price, "type": "physical", "weight": 1, **fields}
        return int(self.do("POST", "/catalog/products", body)["id"])

    def edit_product(self, sku: str, **fields: Any) -> None:
        self.do("PUT", f"/catalog/products/{self.product(sku).product.id}", fields)

    def delete_product(self, sku: str) -> None:
        self.do("DELETE", f"/catalog/products/{self.product(sku).product.id}")

    # Variants.

    def edit_variant(self, sku: str, **fields: Any) -> None:
        variant = self.variant(sku)
        self.do("PUT", f"/catalog/products/{variant.product_id}/variants/{variant.id}", fields)

    def add_variant(self, product_sku: str, sku: str, labels: Mapping[str, str], **fields: Any) -> None:
        """``labels`` by option name; options and values that are missing are made."""
        entry = self.product(product_sku)
        base = f"/catalog/products/{entry.product.id}"
        for name, label in labels.items():
            option = next((option for option in entry.options if option.display_name == name), None)
            if option is None:
                value = {"label": label, "sort_order": 0}
                self.do("POST", f"{base}/options", {"display_name": name, "type": "dropdown", "option_values": [value]})
            elif all(value.label != label for value in option.option_values):
                body = {"label": label, "sort_order": len(option.option_values)}
                self.do("POST", f"{base}/options/{option.id}/values", body)
        values = [{"option_display_name": name, "label": label} for name, label in labels.items()]
        self.do("POST", f"{base}/variants", {"sku": sku, "option_values": values, **fields})

    def delete_variant(self, sku: str) -> None:
        variant = self.variant(sku)
        self.do("DELETE", f"/catalog/products/{variant.product_id}/variants/{variant.id}")

    # Images and fields.

    def add_image(self, sku: str, seed: str, **fields: Any) -> int:
        """Upload a picture made from ``seed``; the image's id."""
        url = f"https://uploads.test/{seed}.png"
        path = f"/catalog/products/{self.product(sku).product.id}/images"
        return int(self.do("POST", path, {"image_url": url, **fields}, fetched={url: png(f"upload:{seed}")})["id"])

    def edit_image(self, sku: str, at: int, **fields: Any) -> None:
        """Change the ``at``-th image."""
        product_id, image_id = self._image(sku, at)
        self.do("PUT", f"/catalog/products/{product_id}/images/{image_id}", fields)

    def delete_image(self, sku: str, at: int = 0) -> None:
        product_id, image_id = self._image(sku, at)
        self.do("DELETE", f"/catalog/products/{product_id}/images/{image_id}")

    def _image(self, sku: str, at: int) -> tuple[int, int]:
        entry = self.product(sku)
        return entry.product.id, entry.images[at].id

    def add_custom_field(self, sku: str, name: str, value: str) -> None:
        self.do(
            "POST", f"/catalog/products/{self.product(sku).product.id}/custom-fields", {"name": name, "value": value}
        )

    # Categories and brands.

    def create_category(self, path: str, **fields: Any) -> int:
        """A category by its whole path; its parent must exist."""
        parent, _, name = path.rpartition(" > ")
        body = {"name": name, "parent_id": self.category(parent).id if parent else 0, "tree_id": 1, **fields}
        return int(self.do("POST", "/catalog/trees/categories", [body])[0]["category_id"])

    def edit_category(self, path: str, **fields: Any) -> None:
        self.do("PUT", "/catalog/trees/categories", [{"category_id": self.category(path).id, **fields}])

    def move_category(self, path: str, parent: str | None) -> None:
        """Below another category, or to the top."""
        self.edit_category(path, parent_id=self.category(parent).id if parent else 0)

    def delete_category(self, path: str) -> None:
        self.do("DELETE", f"/catalog/trees/categories?category_id:in={self.category(path).id}")

    def rename_brand(self, name: str, new_name: str) -> None:
        brand_id = self._shop.brand_names[name.lower()]
        self.do("PUT", f"/catalog/brands/{brand_id}", {"name": new_name})

    # Channels and stock.

    def set_listing(self, sku: str, channel_id: int, state: str) -> None:
        """List a product on a channel, or change the listing's state. No webhook tells of it."""
        product_id = self.product(sku).product.id
        listing_id = self._shop.listed.get((channel_id, product_id))
        body = {"product_id": product_id, "state": state, "variants": []}
        if listing_id is None:
            self.do("POST", f"/channels/{channel_id}/listings", [body])
        else:
            self.do("PUT", f"/channels/{channel_id}/listings", [{**body, "listing_id": listing_id}])

    def assign(self, sku: str, channel_id: int, *, assigned: bool = True) -> None:
        set_assigned(self._shop, self.product(sku).product.id, channel_id, assigned=assigned)

    def set_stock(self, sku: str, level: int) -> None:
        variant = self._stocked(sku)
        stock.set_level(self._shop, self.product(sku), variant.id, stock.DEFAULT_LOCATION, level)

    def sell(self, sku: str, pieces: int = 1) -> None:
        """An order takes pieces off the stock."""
        variant = self._stocked(sku)
        level = max(variant.inventory_level - pieces, 0)
        stock.set_level(self._shop, self.product(sku), variant.id, stock.DEFAULT_LOCATION, level, by_order=True)

    def _stocked(self, sku: str) -> Variant:
        entry = self.product(sku)
        return next((v for v in entry.variants if v.sku.lower() == sku.lower()), entry.variants[0])
