"""Generated stubs of `trivet.cache`."""
