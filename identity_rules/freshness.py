"""When somebody has signed in just now, for what not every open session may do."""

from datetime import datetime, timedelta

FRESH = timedelta(days=1)


def is_fresh(opened: datetime, now: datetime) -> bool:
    """Whether a session that was opened, not merely slid, at a time is fresh."""
    return now - opened < FRESH
