"""Generated stubs of `trivet.identity.v1`."""
