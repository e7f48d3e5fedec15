"""Generated stubs of `trivet.identity`."""
