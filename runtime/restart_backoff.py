"""How whoever keeps processes running starts them again."""

import random
import signal

FIRST_DELAY_SECONDS = 0.2
LAST_DELAY_SECONDS = 10.0
CALM_SECONDS = 20.0
"""A process that lived this long has no bad record any more."""


def delay_after(deaths: int) -> float:
    """Return how long to wait after so many deaths in a row: doubling, with jitter, bounded."""
    bound = min(FIRST_DELAY_SECONDS * 2 ** (deaths - 1), LAST_DELAY_SECONDS)
    return random.uniform(bound / 2, bound)  # noqa: S311  # spreads restarts, guards nothing


def how_it_ended(status: int) -> str:
    """Return an exit status as a person says it; a negative one is a signal's."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
