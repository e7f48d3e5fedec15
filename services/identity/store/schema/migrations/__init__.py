"""The steps from an empty database to `services/identity/schema.py`, oldest first in `versions/`."""
