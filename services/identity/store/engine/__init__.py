"""Database engines: URLs, drivers, limits and versions."""
