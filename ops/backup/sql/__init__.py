"""Backups of the relational database, by the engine's own tool."""
