"""Counters, which an atomic step adds to."""
