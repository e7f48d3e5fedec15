"""Session checks: cookies, cached sessions, and the fast path of get-session."""
