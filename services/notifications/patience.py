"""How often a mail is tried, and how long between."""

import random
from dataclasses import dataclass
from datetime import timedelta

LONGEST_PAUSE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a mail is tried, and how long the first pause is: each next one is twice as long, up to 15 minutes."""

    attempts: int = 12
    first: timedelta = timedelta(seconds=5)

    def pause(self, attempts: int) -> timedelta:
        """Return how long to wait after so many tries: a random time from half of that bound to the whole."""
        bound = min(self.first * (1 << min(attempts - 1, 32)), LONGEST_PAUSE)
        return bound * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, so that what failed together spreads
