"""Counters that are added to in one step."""
