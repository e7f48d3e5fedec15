"""Fresh sessions: sensitive changes require a session that was opened less than a day ago."""

from datetime import datetime, timedelta

FRESH = timedelta(days=1)


def is_fresh(opened: datetime, now: datetime) -> bool:
    """Whether a session that was opened at `opened` is fresh. A refresh does not make a session fresh."""
    return now - opened < FRESH
