"""Operators' commands on identity's database."""
