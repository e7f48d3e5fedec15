"""Generated stubs of `trivet.cache.v1`."""
