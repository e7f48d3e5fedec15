"""The schema of the stores and the data in them: `trivet db`."""
