"""Sessions: opening, verifying, refreshing and revoking."""
