"""How often something is tried, and how long between."""

import random
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Patience:
    """How many attempts there are. The first pause is `first`; each next one is twice as long, up to `longest`."""

    attempts: int = 12
    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(minutes=15)

    def pause(self, attempts: int) -> timedelta:
        """Return how long to wait after so many attempts: a random time from half of that pause to the whole."""
        return _spread(min(self.first * (1 << min(attempts - 1, 32)), self.longest))

    def pause_at(self, age: timedelta) -> timedelta:
        """Return how long to wait where attempts are not counted: about as long again as it has waited already."""
        return _spread(min(max(age, self.first), self.longest))


def _spread(bound: timedelta) -> timedelta:
    return bound * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, so that what failed together spreads
