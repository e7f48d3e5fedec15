"""What is promised of rates: ours beside what else could have answered, in the same run."""

from collections.abc import Sequence
from statistics import median

from bench.cases import SESSION_CHECK, SIGN_IN
from bench.rounds import Row
from bench.samples import Figures
from bench.timings import Timings


def comparisons(rows: Sequence[Row]) -> Timings:
    """Return how our sign-ins stand to the bare hash, and how ours stand to the original's if it ran."""
    by_name = {row.name: row for row in rows}
    check, sign_in = by_name[SESSION_CHECK], by_name[SIGN_IN]
    found = {
        "sign-ins: share of what the bare hash gives (wanted: 0.9 at least)": _times(sign_in, "bare"),
    }
    if check.peer is not None:
        found["session checks: times the original's (wanted: 3 at least)"] = _times(check, "peer")
    if check.cached_peer is not None:
        found["session checks: times the original's with its cookie cache"] = _times(check, "cached_peer")
    if sign_in.peer is not None:
        found["sign-ins: times the original's"] = _times(sign_in, "peer")
    return found


def _times(row: Row, beside: str) -> float:
    """Return the median over the rounds of how ours stands to the one that was measured right after it."""
    other: Figures = getattr(row, beside)
    return median(ours / theirs for ours, theirs in zip(row.ours.rates, other.rates, strict=True))
