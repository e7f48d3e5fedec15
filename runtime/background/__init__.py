"""Work beside the requests: background tasks, periodic work, and back-off."""
