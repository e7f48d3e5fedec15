"""Bare servers that do the least for one request: what Trivet is compared with."""
