"""Invalidation: the stream, its readers, leases and the barrier."""
