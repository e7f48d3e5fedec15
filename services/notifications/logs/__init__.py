"""Log entries: writing and querying."""
