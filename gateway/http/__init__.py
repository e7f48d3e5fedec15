"""HTTP as every route uses it: errors, origins, client addresses, rate limits, the access log."""
