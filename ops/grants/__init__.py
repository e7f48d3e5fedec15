"""Users of the stores with the least rights: `trivet db grants`."""
