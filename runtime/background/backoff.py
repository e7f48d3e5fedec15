"""Exponential back-off with jitter."""

import random
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of attempts and the pauses between them. Each pause is twice the one before, up to `longest`."""

    attempts: int = 12
    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(minutes=15)

    def pause(self, attempts: int) -> timedelta:
        """Return the pause after `attempts` attempts, with jitter: between half of it and the whole."""
        return _spread(min(self.first * (1 << min(attempts - 1, 32)), self.longest))

    def pause_at(self, age: timedelta) -> timedelta:
        """Return the pause if attempts are not counted: between half of `age` and `age`, within the bounds."""
        return _spread(min(max(age, self.first), self.longest))


def _spread(bound: timedelta) -> timedelta:
    return bound * random.uniform(0.5, 1.0)  # noqa: S311  # jitter: retries of one failure spread out
