"""Generated stubs of `trivet.notifications`."""
