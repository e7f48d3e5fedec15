"""The target figures, and whether a run met them. A ratio is the median of the ratios of adjacent rounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.load.samples import Figures
from bench.measurements.among_many import MANY_AGAIN, MANY_FROM_DATABASE
from bench.measurements.at_rest import MEMORY
from bench.measurements.revocations import SEEN
from bench.measurements.timings import Timings
from bench.throughput.cases import BARE_GET, CACHE_HIT, SIGN_IN, USER_READ
from bench.throughput.rounds import Row
from bench.throughput.session_checks import CACHED, COLD, REVOCABLE, TRACED, WARM

USER_READ_WANTED = 0.65


@dataclass(frozen=True)
class Target:
    """A target figure. `measured` is None if this run did not measure it."""

    name: str
    measured: float | None
    wanted: float
    at_least: bool
    unit: str = "times"
    floor: bool = False
    """Whether the load generator was the bottleneck of one side, so that the true ratio can differ."""

    @property
    def met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.wanted if self.at_least else self.measured <= self.wanted


def targets(rows: Sequence[Row], timings: Timings) -> list[Target]:
    """Return all targets with the figures of this run."""
    by_name = {row.name: row for row in rows}

    def ratio(name: str, case: str, beside: Sequence[str], wanted: float, subject: str = "ours") -> Target:
        subjects = by_name[case].subjects if case in by_name else {}
        ours, theirs = subjects.get(subject), _fastest(subjects, beside)
        if ours is None or theirs is None:
            return Target(name, None, wanted, at_least=True)
        return Target(name, _times(ours, theirs), wanted, at_least=True, floor=ours.is_floor or theirs.is_floor)

    def timing(name: str, key: str, wanted: float, unit: str) -> Target:
        return Target(name, timings.get(key), wanted, at_least=False, unit=unit)

    return [
        ratio("warm session check, of a constant Starlette answer", WARM, ["bare"], 1.0),
        ratio("warm session check, of better-auth's with settings that can revoke", WARM, REVOCABLE, 20),
        ratio("warm session check, of better-auth's with its cookie cache", WARM, [CACHED], 10),
        ratio("cold session check, of better-auth's with settings that can revoke", COLD, REVOCABLE, 4),
        ratio("cheapest cache RPC, of a bare echo of its size", CACHE_HIT, ["bare"], 0.5),
        ratio("cheapest cache RPC, of the same RPC doing one bare GET", CACHE_HIT, [BARE_GET], 0.85),
        ratio("session check with one in a hundred traced, of one without", TRACED, ["ours"], 0.9, "traced"),
        timing("revocation seen by the other gateway, p99", SEEN, 50, "ms"),
        timing("whole stack at rest", MEMORY, 450, "MB"),
        timing("check from the database among many sessions, of one among few", MANY_FROM_DATABASE, 1.1, "times"),
        timing("check read again among many sessions, of one among few", MANY_AGAIN, 1.1, "times"),
        ratio("sign-in, of the bare hash", SIGN_IN, ["bare"], 0.9),
        _read_target(by_name.get(USER_READ)),
    ]


def _read_target(row: Row | None) -> Target:
    """Compare a read by RPC with a bare echo followed by the driver's read, on the same processor."""
    name = "identity read by RPC (GetUser), of 1/(bare echo + driver alone)"
    subjects = row.subjects if row is not None else {}
    if not {"ours", "bare", "driver"} <= subjects.keys():
        return Target(name, None, USER_READ_WANTED, at_least=True)
    ours, bare, driver = (subjects[each] for each in ("ours", "bare", "driver"))
    rounds = zip(ours.rates, bare.rates, driver.rates, strict=True)
    measured = median(one * (1 / echo + 1 / read) for one, echo, read in rounds)
    return Target(name, measured, USER_READ_WANTED, at_least=True, floor=bare.is_floor or driver.is_floor)


def _fastest(subjects: Mapping[str, Figures], names: Sequence[str]) -> Figures | None:
    found = [subjects[name] for name in names if name in subjects]
    return max(found, key=lambda figures: figures.per_second, default=None)


def _times(ours: Figures, theirs: Figures) -> float:
    return median(one / other for one, other in zip(ours.rates, theirs.rates, strict=True))
