"""Notices are kept; keys become marks."""
