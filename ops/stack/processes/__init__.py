"""The processes of a stack: specification, start, readiness, supervision, and the guard that outlives them."""
