"""The steps from an empty database to `schema.py`, oldest first in `versions/`."""
