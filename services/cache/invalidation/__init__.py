"""Invalidation: the stream in Redis, its readers, their leases, and the barrier that confirms."""
