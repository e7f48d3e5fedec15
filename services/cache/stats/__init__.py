"""Hits, misses, fills and refusals by namespace."""
