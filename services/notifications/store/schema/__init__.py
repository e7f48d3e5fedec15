"""The schema of MongoDB: indexes and validators, and the numbered migrations that make them."""
