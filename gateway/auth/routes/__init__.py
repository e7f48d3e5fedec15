"""The routes of the Better Auth protocol, one module per feature."""
