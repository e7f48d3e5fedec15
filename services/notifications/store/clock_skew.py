"""How far clocks may differ."""

from datetime import timedelta

MOST_AHEAD = timedelta(days=1)
"""How far a sender's clock can be ahead of this server's. A later time is wrong."""
