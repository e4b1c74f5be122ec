"""What Storeweave costs and how fast it is, measured side by side: ``python -m bench --size small|full``."""
