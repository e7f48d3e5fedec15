"""The `trivet` command: run the stack, migrate the database, manage users, sign actors."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The root of the clone, or of the files in the image."""
