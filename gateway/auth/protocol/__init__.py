"""The machinery of the Better Auth protocol: what every route under /api/auth passes."""
