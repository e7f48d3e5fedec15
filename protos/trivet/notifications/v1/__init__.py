"""Generated stubs of `trivet.notifications.v1`."""
