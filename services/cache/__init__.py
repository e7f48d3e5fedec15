"""Entries, leases, tags and counters in Redis."""
