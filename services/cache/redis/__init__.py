"""Redis: connections, scripts, sentinels and coalesced reads."""
