"""The `trivet` command: run the stack, migrate, look after users, sign actors."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The clone, or what of it the image holds."""
