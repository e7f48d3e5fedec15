"""The cache service: entries with leases and tags, invalidation, counters and rate limits, in Redis."""
