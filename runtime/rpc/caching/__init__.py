"""Caching of RPC responses: what the .proto files declare, fills under a lease, and invalidations."""
