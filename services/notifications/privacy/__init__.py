"""All data about a user: export and erasure."""
