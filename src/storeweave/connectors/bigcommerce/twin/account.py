"""The store itself, in V2: who it is (its fingerprint) and what time it has."""

from __future__ import annotations

import hashlib
import uuid

from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, encode


def store_id(store_hash: str) -> int:
    """The store's number, the same for the same hash."""
    return 1_000_000 + int.from_bytes(hashlib.sha256(store_hash.encode()).digest()[:3], "big")


def get_store(shop: Shop, call: Call) -> Answer:
    del call
    settings = shop.settings
    number = store_id(settings.store_hash)
    domain = f"{settings.store_hash}.example"
    return Answer(
        200,
        encode(
            {
                "id": settings.store_hash,
                "account_uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, domain)),
                "domain": domain,
                "secure_url": f"https://{domain}",
                "control_panel_base_url": f"https://store-{settings.store_hash}.example",
                "status": "live",
                "name": settings.name,
                "first_name": "Ada",
                "last_name": "Twin",
                "address": "1 Loom Street",
                "country": "United States",
                "country_code": "US",
                "phone": "",
                "admin_email": f"owner@{domain}",
                "order_email": f"orders@{domain}",
                "favicon_url": "",
                "timezone": {
                    "name": "Etc/UTC",
                    "raw_offset": 0,
                    "dst_offset": 0,
                    "dst_correction": False,
                    "date_format": {"display": "M jS Y", "export": "M jS Y", "extended_display": "M jS Y @ g:i A"},
                },
                "language": "en",
                "currency": settings.currency,
                "currency_symbol": "$",
                "decimal_separator": ".",
                "thousands_separator": ",",
                "decimal_places": 2,
                "currency_symbol_location": "left",
                "weight_units": "KGS",
                "dimension_units": "Centimeters",
                "dimension_decimal_places": 2,
                "dimension_decimal_token": ".",
                "dimension_thousands_token": ",",
                "plan_name": "Enterprise" if settings.quota is None else "Standard",
                "plan_level": "Enterprise" if settings.quota is None else "Standard",
                "plan_is_trial": False,
                "industry": "Textiles",
                "logo": [],
                "is_price_entered_with_tax": False,
                "store_id": number,
                "default_channel_id": 1,
                "default_site_id": 1000,
                "active_comparison_modules": [],
                "features": {
                    "stencil_enabled": True,
                    "sitewidehttps_enabled": True,
                    "facebook_catalog_id": "",
                    "checkout_type": "optimized",
                    "wishlists_enabled": True,
                    "graphql_storefront_api_enabled": True,
                    "shopper_consent_tracking_enabled": False,
                    "multi_storefront_enabled": True,
                    "storefront_limits": {"active": 3, "total_including_inactive": 4},
                },
            }
        ),
    )


def get_time(shop: Shop, call: Call) -> Answer:
    del call
    return Answer(200, encode({"time": int(shop.clock.now().timestamp())}))


ROUTES = [
    Route(method="GET", template="/store", handler=get_store),
    Route(method="GET", template="/time", handler=get_time),
]
