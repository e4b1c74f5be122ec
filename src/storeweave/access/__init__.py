"""Who and what may be reached: secrets that do not show themselves, addresses that we may call."""
