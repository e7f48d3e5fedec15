"""The sizes of what the stores hold: `trivet db stats`."""
