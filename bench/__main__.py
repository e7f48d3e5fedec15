"""`make bench`: run everything and say what it came to. Nothing here fails for being slow."""

import argparse
from pathlib import Path

from rich.console import Console

from bench import disturbances, report, timings
from bench.cases import cases
from bench.comparisons import comparisons
from bench.generator import Generator
from bench.peers import install, versions
from bench.rounds import QUICK, Effort, run
from bench.scene import scene


def main(results: Path, *, quick: bool, peers: bool) -> None:
    effort = QUICK if quick else Effort()
    console = Console(width=None if Console().is_terminal else 160)
    about = report.machine()
    if peers:
        install()
        about["packages"] |= versions()
    with scene(embedded=quick, peers=peers) as running, Generator() as generator:
        rows = []
        for case in cases(running):
            console.print(f"measuring {case.name}")
            rows.append(run(case, running, generator, effort))
        console.print("measuring what is promised in time")
        found = comparisons(rows)
        found |= timings.enumeration(running, generator, effort) | timings.flood(running, generator, effort)
        if not quick:
            found |= disturbances.slow_clients(running, generator, effort)
            found |= disturbances.hung_stores(running, generator)
        stores = running
    if not quick:
        found |= timings.warm_start()
    report.write(results, about, stores, effort, rows, found)
    report.show(console, rows, found)
    console.print(f"written to {results}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few calls each on embedded stores, to see that it runs")
    parser.add_argument("--peers", action="store_true", help="npm's better-auth beside ours, on the same MariaDB")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="where the figures are written")
    given = parser.parse_args()
    main(given.results, quick=given.quick, peers=given.peers)
