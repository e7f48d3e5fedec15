"""Data for development and measurements: `trivet db seed` and `trivet db clear`."""
