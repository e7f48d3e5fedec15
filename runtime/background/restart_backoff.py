"""The back-off of supervisors that restart processes."""

import random
import signal

FIRST_DELAY_SECONDS = 0.2
LAST_DELAY_SECONDS = 10.0
CALM_SECONDS = 20.0
"""After a process has lived this long, its earlier deaths do not count."""


def delay_after(deaths: int) -> float:
    """Return the delay after `deaths` deaths in a row: exponential, with jitter, at most LAST_DELAY_SECONDS."""
    bound = min(FIRST_DELAY_SECONDS * 2 ** (deaths - 1), LAST_DELAY_SECONDS)
    return random.uniform(bound / 2, bound)  # noqa: S311  # spreads restarts, guards nothing


def how_it_ended(status: int) -> str:
    """Describe an exit status. A negative one is a signal's."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
