"""A working imitation of a BigCommerce store: state, limits, webhooks and faults, in this process or as a server."""

from storeweave.connectors.bigcommerce.twin.settings import PLANS, Token, TwinSettings
from storeweave.connectors.bigcommerce.twin.store import BigCommerceTwin

__all__ = ["PLANS", "BigCommerceTwin", "Token", "TwinSettings"]
