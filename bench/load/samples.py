"""What a round of load came to, and what several rounds come to together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all are not above; 0 if there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


LOAD = "load generator"
STRANGERS = "other programs"
"""Whatever else ran on the machine: what it burns is no work of anybody's that is measured, and spoils the figures."""
SATURATED = 0.9
"""The share of a core from which on a process is what limits."""


@dataclass(frozen=True)
class Round:
    """One stretch of load on one subject: what came back, how long it took and what the processes burnt."""

    seconds: float
    milliseconds: list[float]
    failures: int = 0
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return len(self.milliseconds) / self.seconds


@dataclass(frozen=True)
class Figures:
    """Several rounds: medians over the rounds, and the least and most of the rates."""

    per_second: float
    least: float
    most: float
    p50_ms: float
    p99_ms: float
    failures: int
    cpu_ms_per_call: dict[str, float]
    busy: dict[str, float]
    """How many cores each process has kept busy meanwhile."""
    rates: list[float]
    is_floor: bool
    """Whether more could not have been asked for, so that the rate is the least that is possible."""

    @classmethod
    def of(cls, rounds: Sequence[Round], alone: str = "", *, shared: bool = False) -> "Figures":
        """Sum rounds up. `alone` had a core to itself; with `shared`, all else was on the load generator's core."""
        rates = [each.per_second for each in rounds]
        calls = sum(len(each.milliseconds) for each in rounds) or 1
        seconds = sum(each.seconds for each in rounds)
        names = {name for each in rounds for name in each.cpu_seconds}
        burnt = {name: sum(each.cpu_seconds.get(name, 0.0) for each in rounds) for name in names}
        busy = {name: spent / seconds for name, spent in sorted(burnt.items()) if spent}
        shares = alone and shared
        own = {name: spent for name, spent in busy.items() if name != STRANGERS}
        asking = sum(each for name, each in own.items() if name == LOAD or (shares and name != alone))
        return cls(
            median(rates),
            min(rates),
            max(rates),
            median(percentile(each.milliseconds, 0.5) for each in rounds),
            median(percentile(each.milliseconds, 0.99) for each in rounds),
            sum(each.failures for each in rounds),
            {name: 1000 * spent / calls for name, spent in sorted(burnt.items())},
            busy,
            rates,
            asking >= SATURATED,
        )

    @property
    def bottleneck(self) -> str:
        """The process that was busiest, and how busy it was: the load generator only where it was the limit itself."""
        no_work = {STRANGERS} if self.is_floor else {STRANGERS, LOAD}
        others = {name: busy for name, busy in self.busy.items() if name not in no_work}
        if not others:
            return ""
        name, most = max(others.items(), key=lambda item: item[1])
        return f"{name} {most:.0%}"
