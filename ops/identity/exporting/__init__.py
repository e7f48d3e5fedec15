"""`trivet export`: the way back, and a person's own data."""
