"""What is said of a run: a table for eyes, and bench/results.json for programs."""

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.rounds import Effort, Row
from bench.samples import Figures
from bench.scene import Scene
from bench.timings import Timings

RESULTS = Path(__file__).parent / "results.json"
COLUMNS = (
    "path",
    "Trivet",
    "p50 ms",
    "p99 ms",
    "bare",
    "driver alone",
    "bare / ours",
    "better-auth",
    "works most",
)
PACKAGES = ("grpcio", "protobuf", "granian", "starlette", "sqlalchemy", "asyncmy", "pymongo", "redis", "msgspec")


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": names[0].partition(": ")[2] if names else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_before": os.getloadavg()[0],
        "packages": {name: version(name) for name in PACKAGES},
    }


def write(path: Path, about: dict[str, Any], scene: Scene, effort: Effort, rows: list[Row], timings: Timings) -> None:
    """Write everything that was measured."""
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": about,
        "stores": sorted(set(scene.pids) - set(scene.whole.processes)) or ["sqlite"],
        "effort": asdict(effort),
        "cases": [asdict(row) | {"bottleneck": row.ours.bottleneck} for row in rows],
        "timings": timings,
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def show(console: Console, rows: list[Row], timings: Timings) -> None:
    """Print the tables."""
    table = Table(title="Calls a second (median of rounds, least to most), and how many times the bare one does")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("path", "works most") else "right")
    for row in rows:
        ours = row.ours
        failed = f" [red]{ours.failures} failed[/]" if ours.failures else ""
        table.add_row(
            row.name + failed,
            _rate(ours),
            f"{ours.p50_ms:.2f}",
            f"{ours.p99_ms:.2f}",
            _rate(row.bare),
            _rate(row.driver) if row.driver else "",
            f"{row.bare.per_second / ours.per_second:.1f}",
            _rate(row.peer) if row.peer else "",
            ours.bottleneck,
        )
    console.print(table)
    lines = Table(title="What is promised", show_header=False)
    for name, value in timings.items():
        lines.add_row(name, f"{value:.2f}")
    console.print(lines)


def _rate(figures: Figures) -> str:
    return f"{figures.per_second:,.0f} ({figures.least:,.0f}-{figures.most:,.0f})"
