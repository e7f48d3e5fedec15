"""The HTTP gateway: composes identity, notifications and cache, and owns no data."""
