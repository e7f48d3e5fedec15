"""What a round of load came to, and what several rounds come to together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all are not above; 0 if there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


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
    rates: list[float]

    @classmethod
    def of(cls, rounds: Sequence[Round]) -> "Figures":
        rates = [each.per_second for each in rounds]
        calls = sum(len(each.milliseconds) for each in rounds) or 1
        names = {name for each in rounds for name in each.cpu_seconds}
        burnt = {name: sum(each.cpu_seconds.get(name, 0.0) for each in rounds) for name in names}
        return cls(
            median(rates),
            min(rates),
            max(rates),
            median(percentile(each.milliseconds, 0.5) for each in rounds),
            median(percentile(each.milliseconds, 0.99) for each in rounds),
            sum(each.failures for each in rounds),
            {name: 1000 * seconds / calls for name, seconds in sorted(burnt.items())},
            rates,
        )

    @property
    def bottleneck(self) -> str:
        """The process that works most for a call, and its share of all the work."""
        total = sum(self.cpu_ms_per_call.values())
        if not total:
            return ""
        name, most = max(self.cpu_ms_per_call.items(), key=lambda item: item[1])
        return f"{name} {most / total:.0%}"
