"""The tolerance for senders' clocks."""

from datetime import timedelta

MOST_AHEAD = timedelta(days=1)
"""How far a sender's clock can be ahead of this server's clock. A time beyond it is not accepted."""
