"""BigCommerce: categories, brands and products of one store, read, written and listened to."""

from storeweave.connectors.bigcommerce.connector import BigCommerce, create
from storeweave.connectors.bigcommerce.settings import BigCommerceSettings

__all__ = ["BigCommerce", "BigCommerceSettings", "create"]
