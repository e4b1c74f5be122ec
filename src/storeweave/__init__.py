"""Storeweave keeps stores, tills, ERPs and databases in agreement about products, prices and stock."""

__version__ = "0.1.0"
