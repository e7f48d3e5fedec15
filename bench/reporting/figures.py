"""`make figures`: writes the tables and the picture of docs/performance.md from bench/results.json."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.reporting.plot import Bar, draw
from bench.reporting.report import RESULTS, in_words
from bench.throughput.session_checks import BARE_ASGI, WARM

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE = DOCS / "performance.md", DOCS / "session-check.svg"
BEGIN, END = "<!-- figures: made by `make figures` -->\n", "<!-- end of figures -->\n"
LABELS = {"ours": "Trivet", "bare": "bare Starlette on granian", BARE_ASGI: "bare ASGI on granian"}
LIMITS = ("bare", BARE_ASGI)
NOT_SUBJECTS = ("name",)

Found = dict[str, Any]


def main(results: Path = RESULTS, page: Path = PAGE, picture: Path = PICTURE) -> None:
    """Write the page and the picture. Raises SystemExit if the results or the page are incomplete."""
    found: Found = json.loads(results.read_text())
    warm = next((case for case in found["cases"] if case["name"] == WARM and BARE_ASGI in case), None)
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if warm is None or not begin or not end:
        raise SystemExit("figures: run `make bench`: the results have no session check, or the page has no marks")
    picture.write_text(_picture(found, warm))
    page.write_text(before + begin + "\n" + "\n".join(_block(found)) + "\n" + end + after)


def _picture(found: Found, warm: Found) -> str:
    bars = [
        Bar(
            LABELS.get(name, name),
            "ours" if name == "ours" else "limit" if name in LIMITS else "other",
            *(each[key] for key in ("per_second", "least", "most", "is_floor")),
        )
        for name, each in _subjects(warm)
    ]
    effort, machine = found["effort"], found["machine"]
    under = (
        f"one worker each, {effort['callers']} connections; median of {effort['rounds']} rounds and their spread; "
        f"{machine['processor']}, {found['measured_at'][:10]}"
    )
    return draw("Session checks a second", under, bars)


def _subjects(case: Found) -> Iterator[tuple[str, Found]]:
    return ((name, each) for name, each in case.items() if name not in NOT_SUBJECTS)


def _block(found: Found) -> Iterator[str]:
    yield from _about(found)
    yield from (
        "",
        f"![Session checks a second]({PICTURE.name})",
        "",
        "### What is wanted",
        "",
    )
    yield from _table(("figure", "measured", "wanted", "met"), (_target(each) for each in found["targets"]))
    yield from ("", "### Every path", "")
    columns: tuple[str, ...] = ("path", "calls/s (least-most)", "p50 ms", "p99 ms", "bare server/s")
    yield from _table((*columns, "driver alone/s", "bare / ours", "busiest, of a core"), map(_path, found["cases"]))
    for case in found["cases"]:
        if set(case) - {"name", "ours", "bare", "driver"}:
            yield from ("", f"### {case['name']}", "")
            columns = ("in the same rounds", "calls/s (least-most)", "p50 ms", "p99 ms", "ours / theirs")
            yield from _table((*columns, "busiest, of a core"), _beside(case))
    yield from ("", "### In time", "")
    yield from _table(("what", "measured"), ((name, f"{value:,.2f}") for name, value in found["timings"].items()))
    if found["failed"]:
        yield from ("", "Not measured: " + "; ".join(sorted(found["failed"])) + ".")


def _about(found: Found) -> Iterator[str]:
    machine = found["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    yield f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']};"
    yield f"Python {machine['python']}, {packages};"
    yield f"stores: {', '.join(found['stores'])}; measured on {found['measured_at'][:10]}, load average"
    yield f"{machine['load_average_before']:.1f} before the run. Session checks and the cache's Get:"
    yield f"{machine['shared']}. Other programs kept"
    others = found["cores_busy_with_other_programs"]
    yield f"{others['median']:.2f} cores busy meanwhile (median over the subjects), {others['most']:.2f} at most."


def _table(columns: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _target(each: Found) -> Sequence[str]:
    measured = "" if each["measured"] is None else f"{each['measured']:.2f}"
    met = {None: "not measured", True: "yes", False: "no"}[each["met"]]
    doubt = ", but the load generator's core was full" if each["floor"] else ""
    return each["name"], measured, in_words(each["wanted"], each["unit"], at_least=each["at_least"]), met + doubt


def _path(case: Found) -> Sequence[str]:
    ours, bare, driver = (case.get(name) for name in ("ours", "bare", "driver"))
    assert ours is not None
    times = f"{bare['per_second'] / ours['per_second']:.1f}" if bare else ""
    beside = (f"{each['per_second']:,.0f}" if each else "" for each in (bare, driver))
    return (case["name"], *_rates(ours), *beside, times, ours["bottleneck"])


def _beside(case: Found) -> Iterator[Sequence[str]]:
    for name, each in _subjects(case):
        times = f"{case['ours']['per_second'] / each['per_second']:.2f}"
        yield LABELS.get(name, name), *_rates(each), times, each["bottleneck"]


def _rates(each: Found) -> tuple[str, str, str]:
    floor = "at least " if each["is_floor"] else ""
    failed = f", {each['failures']} failed" if each["failures"] else ""
    spread = f"{each['least']:,.0f}-{each['most']:,.0f}"
    return f"{floor}{each['per_second']:,.0f} ({spread}){failed}", f"{each['p50_ms']:.2f}", f"{each['p99_ms']:.2f}"


if __name__ == "__main__":
    main()
