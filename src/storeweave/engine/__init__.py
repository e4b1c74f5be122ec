"""Lanes claim marks; the reconciler reads, plans, writes and settles; brakes, sweeps, undo."""
