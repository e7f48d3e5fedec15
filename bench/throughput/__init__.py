"""Calls per second: the cases, and rounds that measure them in turn."""
