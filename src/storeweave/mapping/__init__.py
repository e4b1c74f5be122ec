"""Their fields and ours: what the destination should hold, and which record there is which record here."""
