"""Reports a run: prints tables, and writes bench/results.json."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.effort import Effort
from bench.load.samples import OTHER_PROGRAMS, Figures
from bench.measurements.timings import Timings
from bench.reporting.targets import Target, targets
from bench.testbed import cores
from bench.throughput.rounds import Row

RESULTS = Path(__file__).parents[1] / "results.json"
PATHS = ("path", "Trivet", "p50 ms", "p99 ms", "bare", "driver alone", "bare / ours", "busiest, of a core")
BESIDE = ("in the same rounds", "calls/s", "p50 ms", "p99 ms", "ours / theirs", "busiest, of a core")
PACKAGES = ("grpcio", "protobuf", "granian", "starlette", "sqlalchemy", "asyncmy", "pymongo", "redis", "msgspec")
IN_FIRST_TABLE = ("ours", "bare", "driver")


def machine() -> dict[str, Any]:
    """Return the machine and the versions that the figures depend on."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": names[0].partition(": ")[2] if names else platform.machine(),
        "cores": os.cpu_count(),
        "shared": cores.describe(),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_before": os.getloadavg()[0],
        "packages": {name: version(name) for name in PACKAGES},
    }


@dataclass
class Record:
    """All results of a run so far, and the reasons of failed measurements."""

    effort: Effort
    failed: dict[str, str]
    about: dict[str, Any] = field(default_factory=machine)
    stores: list[str] = field(default_factory=list)
    peers: dict[str, str] = field(default_factory=dict)
    """The settings of each peer."""
    rows: list[Row] = field(default_factory=list)
    timings: Timings = field(default_factory=dict)

    @property
    def other_programs(self) -> list[float]:
        """The cores that other programs kept busy during each subject, in ascending order."""
        return sorted(
            max(0.0, each.busy.get(OTHER_PROGRAMS, 0.0)) for row in self.rows for each in row.subjects.values()
        )

    @property
    def targets(self) -> list[Target]:
        return targets(self.rows, self.timings)


def write(path: Path, record: Record) -> None:
    """Write all results to a JSON file."""
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": record.about,
        "stores": record.stores,
        "peers": record.peers,
        "cores_busy_with_other_programs": {"median": median(record.other_programs), "most": record.other_programs[-1]},
        "effort": asdict(record.effort),
        "targets": [asdict(each) | {"met": each.met} for each in record.targets],
        "cases": [{"name": row.name} | _subjects(row) for row in record.rows],
        "timings": record.timings,
        "failed": record.failed,
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def _subjects(row: Row) -> dict[str, Any]:
    subjects = ((name, asdict(each), each) for name, each in row.subjects.items())
    return {name: found | {"bottleneck": each.bottleneck} for name, found, each in subjects}


def show(console: Console, record: Record) -> None:
    """Print the tables."""
    about = record.about
    console.print(f"{about['processor']}, {about['cores']} cores, {about['system']}, Python {about['python']}")
    console.print(", ".join(f"{name} {number}" for name, number in about["packages"].items()))
    made = record.effort
    console.print(f"{made.rounds} rounds of {made.seconds:g} s each in turn, {made.callers} calls at a time.")
    for name, settings in record.peers.items():
        console.print(f"{name}: {settings}.")
    console.print(f"Stores: {', '.join(record.stores)}. Session checks and the cache's RPCs: {about['shared']}.")
    if other_programs := record.other_programs:
        console.print(
            f"Other programs kept {median(other_programs):.2f} cores busy (median), {other_programs[-1]:.2f} at most."
        )
    console.print(_paths(record.rows))
    for row in record.rows:
        if set(row.subjects) - {*IN_FIRST_TABLE}:
            console.print(_beside(row))
    promised = Table(title="What is promised in time", show_header=False)
    for name, value in record.timings.items():
        promised.add_row(name, f"{value:,.2f}")
    console.print(promised)
    console.print(_targets(record.targets))
    for name, reason in record.failed.items():
        console.print(f"not measured: {name}: {reason}", style="red", markup=False)


def _paths(rows: list[Row]) -> Table:
    table = Table(title="Calls a second (median of rounds, least to most), and how many times the bare one does")
    for column in PATHS:
        table.add_column(column, justify="left" if column in ("path", PATHS[-1]) else "right")
    for row in rows:
        ours, bare, driver = row.ours, row.subjects.get("bare"), row.subjects.get("driver")
        times = f"{bare.per_second / ours.per_second:.1f}" if bare else ""
        beside = (rate(bare) if bare else "", rate(driver) if driver else "", times)
        table.add_row(row.name, rate(ours), f"{ours.p50_ms:.2f}", f"{ours.p99_ms:.2f}", *beside, ours.bottleneck)
    return table


def _beside(row: Row) -> Table:
    table = Table(title=row.name)
    for column in BESIDE:
        table.add_column(column, justify="left" if column in (BESIDE[0], BESIDE[-1]) else "right")
    for name, each in row.subjects.items():
        times = f"{row.ours.per_second / each.per_second:.2f}"
        table.add_row(name, rate(each), f"{each.p50_ms:.2f}", f"{each.p99_ms:.2f}", times, each.bottleneck)
    return table


def _targets(wanted: list[Target]) -> Table:
    table = Table(title="What is wanted")
    for column in ("figure", "measured", "wanted", "met"):
        table.add_column(column, justify="left" if column in ("figure", "met") else "right")
    for each in wanted:
        verdict = {None: "not measured", True: "yes", False: "[red]no[/]"}[each.met]
        doubt = ", but the load generator's core was full" if each.floor else ""
        measured = "" if each.measured is None else f"{each.measured:.2f}"
        table.add_row(each.name, measured, in_words(each.wanted, each.unit, at_least=each.at_least), verdict + doubt)
    return table


def in_words(wanted: float, unit: str, *, at_least: bool) -> str:
    return f"{wanted:g} {unit} at {'least' if at_least else 'most'}"


def rate(figures: Figures) -> str:
    """Return the calls per second with their spread, marked if the load generator was the limit or calls failed."""
    failed = f" {figures.failures} FAILED" if figures.failures else ""
    floor = ">= " if figures.is_floor else ""
    return f"{floor}{figures.per_second:,.0f} ({figures.least:,.0f}-{figures.most:,.0f}){failed}"
