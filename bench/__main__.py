"""`make bench`: run everything and say what it came to. Nothing here fails for being slow."""

import argparse
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench import disturbances, report, timings
from bench.cases import cases
from bench.comparisons import comparisons
from bench.generator import Generator
from bench.peers import install, versions
from bench.rounds import QUICK, Effort, Row, run
from bench.scene import Scene, scene
from bench.timings import Timings


@dataclass
class Progress:
    """What has been measured so far, and what is being measured; a scene once there is one."""

    console: Console
    rows: list[Row] = field(default_factory=list)
    found: Timings = field(default_factory=dict)
    scene: Scene | None = None
    under_way: str = ""

    def begin(self, what: str) -> None:
        self.under_way = what
        self.console.print(f"measuring {what}")


def main(results: Path, *, quick: bool, peers: bool) -> int:
    """Measure, write and show; return the exit status. After a measurement that failed, what came before it is kept."""
    effort = QUICK if quick else Effort()
    progress = Progress(Console(width=None if Console().is_terminal else 160))
    about = report.machine()
    if peers:
        install()
        about["packages"] |= versions()
    failed = ""
    try:
        measure(progress, effort, quick=quick, peers=peers)
    except Exception:  # whatever it is, the figures so far are not lost to it
        traceback.print_exc()
        failed = progress.under_way
    if progress.scene is None:
        print("bench: the stack did not start", file=sys.stderr)
        return 1
    report.write(results, about, progress.scene, effort, progress.rows, progress.found)
    report.show(progress.console, progress.rows, progress.found)
    progress.console.print(f"written to {results}")
    if failed:
        print(f"bench: measuring {failed} failed; what was measured before it is written", file=sys.stderr)
    return 1 if failed else 0


def measure(progress: Progress, effort: Effort, *, quick: bool, peers: bool) -> None:
    """Measure everything in turn. Raises what the first measurement fails with."""
    with scene(embedded=quick, peers=peers) as running, Generator() as generator:
        progress.scene = running
        progress.under_way = "the cases"
        for case in cases(running):
            progress.begin(case.name)
            progress.rows.append(run(case, running, generator, effort))
        progress.begin("what is promised in time")
        progress.found |= comparisons(progress.rows)
        progress.begin("enumeration")
        progress.found |= timings.enumeration(running, generator, effort)
        progress.begin("a flood of sign-ins")
        progress.found |= timings.flood(running, generator, effort)
        if not quick:
            progress.begin("slow clients")
            progress.found |= disturbances.slow_clients(running, generator, effort)
            progress.begin("hung stores")
            progress.found |= disturbances.hung_stores(running, generator)
    if not quick:
        progress.begin("a warm start")
        progress.found |= timings.warm_start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few calls each on embedded stores, to see that it runs")
    parser.add_argument("--peers", action="store_true", help="npm's better-auth beside ours, on the same MariaDB")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="where the figures are written")
    given = parser.parse_args()
    sys.exit(main(given.results, quick=given.quick, peers=given.peers))
