"""A working imitation of a BigCommerce store: state, limits, webhooks and faults, in this process or as a server."""

from storeweave.connectors.bigcommerce.twin.catalogue import Figures, lay_in
from storeweave.connectors.bigcommerce.twin.compare import Difference, agreement, compare_stores
from storeweave.connectors.bigcommerce.twin.settings import PLANS, Token, TwinSettings
from storeweave.connectors.bigcommerce.twin.store import BigCommerceTwin

__all__ = [
    "PLANS",
    "BigCommerceTwin",
    "Difference",
    "Figures",
    "Token",
    "TwinSettings",
    "agreement",
    "compare_stores",
    "lay_in",
]
