"""One file per step; each knows the one before it."""
