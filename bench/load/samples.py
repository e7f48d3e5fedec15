"""The results of one round of load, and of several rounds together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed. Returns 0 for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


LOAD = "load generator"
OTHER_PROGRAMS = "other programs"
"""All other processes of the machine. Their CPU time distorts the figures."""
SATURATED = 0.9
"""A process that uses this share of a core is the bottleneck."""


@dataclass(frozen=True)
class Round:
    """One round of load on one subject: the latency of each answer, failures, and CPU seconds by process."""

    seconds: float
    milliseconds: list[float]
    failures: int = 0
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return len(self.milliseconds) / self.seconds


@dataclass(frozen=True)
class Figures:
    """Several rounds: medians over the rounds, and the lowest and highest rate."""

    per_second: float
    least: float
    most: float
    p50_ms: float
    p99_ms: float
    failures: int
    cpu_ms_per_call: dict[str, float]
    busy: dict[str, float]
    """The number of cores that each process kept busy."""
    rates: list[float]
    is_floor: bool
    """Whether the load generator was the bottleneck, so that the server can do more than this rate."""

    @classmethod
    def of(cls, rounds: Sequence[Round], alone: str = "", *, shared: bool = False) -> "Figures":
        """Summarize rounds. `alone` had a core of its own. With `shared`, all else ran on the load generator's core."""
        rates = [each.per_second for each in rounds]
        calls = sum(len(each.milliseconds) for each in rounds) or 1
        seconds = sum(each.seconds for each in rounds)
        names = {name for each in rounds for name in each.cpu_seconds}
        used = {name: sum(each.cpu_seconds.get(name, 0.0) for each in rounds) for name in names}
        busy = {name: spent / seconds for name, spent in sorted(used.items()) if spent}
        shares = alone and shared
        own = {name: spent for name, spent in busy.items() if name != OTHER_PROGRAMS}
        asking = sum(each for name, each in own.items() if name == LOAD or (shares and name != alone))
        return cls(
            median(rates),
            min(rates),
            max(rates),
            median(percentile(each.milliseconds, 0.5) for each in rounds),
            median(percentile(each.milliseconds, 0.99) for each in rounds),
            sum(each.failures for each in rounds),
            {name: 1000 * spent / calls for name, spent in sorted(used.items())},
            busy,
            rates,
            asking >= SATURATED,
        )

    @property
    def bottleneck(self) -> str:
        """The busiest process and its share of a core. The load generator counts only if it was the bottleneck."""
        no_work = {OTHER_PROGRAMS} if self.is_floor else {OTHER_PROGRAMS, LOAD}
        others = {name: busy for name, busy in self.busy.items() if name not in no_work}
        if not others:
            return ""
        name, most = max(others.items(), key=lambda item: item[1])
        return f"{name} {most:.0%}"
