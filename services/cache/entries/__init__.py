"""Entries: reads, fills and deletes, with leases and tags."""
