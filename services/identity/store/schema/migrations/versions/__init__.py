"""The migrations, one file each. Each names the one before it."""
