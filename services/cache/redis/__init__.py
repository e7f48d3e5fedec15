"""Redis: connections, sentinels, the circuit breaker, scripts and coalesced reads."""
