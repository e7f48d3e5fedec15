"""How far the clocks of stores and processes are from this machine's clock."""

import time
from datetime import datetime

from ops.doctor.finding import Finding, error, warning
from runtime.clock import Clock
from trivet.client.actor import LIFETIME_SECONDS

CHECK = "clocks"
MOST_SECONDS = 2.0
REFUSED_SECONDS = LIFETIME_SECONDS / 2
"""From here on calls between machines are refused: a signed actor is valid for LIFETIME_SECONDS."""
REMEDY = "synchronize the clocks of all machines (NTP)"


class Comparison:
    """Compares a clock with ours. It is made just before the other clock is asked."""

    def __init__(self, now: Clock) -> None:
        self._before = now()
        self._began = time.monotonic()

    def judge(self, name: str, theirs: datetime, *, unit: float = 0.0) -> list[Finding]:
        """Return the finding about an answer. `unit` is its resolution in seconds."""
        took = time.monotonic() - self._began  # the answer can be from any moment of the call
        return judge(name, (theirs - self._before).total_seconds(), took + unit)


def judge(name: str, ahead: float, uncertain: float = 0.0) -> list[Finding]:
    """Return the finding about a clock that is `ahead` of ours by seconds, less what is uncertain."""
    least = max(abs(ahead) - uncertain, 0.0)
    if least < MOST_SECONDS:
        return []
    way = "ahead of" if ahead > 0 else "behind"
    problem = f"the clock of {name} is {abs(ahead):.0f} s {way} this machine's"
    return [error(CHECK, problem, REMEDY) if least >= REFUSED_SECONDS else warning(CHECK, problem, REMEDY)]
