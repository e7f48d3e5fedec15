"""`make bench`: run everything and say what it came to. Nothing here fails for being slow."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench.attempts import Attempts
from bench.effort import QUICK, Effort
from bench.measurements import disturbances, timings
from bench.measurements.among_many import among_many
from bench.measurements.at_rest import at_rest
from bench.measurements.revocations import revocations
from bench.measurements.timings import Timings
from bench.peers import kratos, packages
from bench.peers.peer import KINDS
from bench.reporting import report
from bench.reporting.report import Record
from bench.testbed.start import scene
from bench.testbed.testbed import Scene
from bench.throughput.cases import paths
from bench.throughput.rounds import run
from bench.throughput.session_checks import checks
from services.cache.invalidation.leases import LEASE_SECONDS


def main(results: Path, *, quick: bool, peers: bool) -> int:
    """Measure, write the results and show them; return 1 if something could not be measured."""
    effort = QUICK if quick else Effort()
    console = Console(width=None if Console().is_terminal else 160)
    attempts = Attempts(console)
    record = Record(effort, failed=attempts.failed)
    try:
        if peers:
            _install(attempts, record)
        with attempts.at("starting everything"), scene(attempts, embedded=quick and not peers, peers=peers) as running:
            record.stores = sorted(running.store_names)
            settings = {kind.name: kind.settings for kind in KINDS} | {kratos.NAME: kratos.SETTINGS}
            record.peers = {name: settings[name] for name in running.peers}
            _measure(running, effort, attempts, record, quick=quick)
        with attempts.at("measuring the stack at rest"):
            record.timings |= at_rest(effort)
    finally:
        if record.rows:
            report.write(results, record)
            console.print(f"written to {results}")
    report.show(console, record)
    return 1 if record.failed else 0


def _install(attempts: Attempts, record: Record) -> None:
    with attempts.at("installing npm's peers (once)"):
        packages.install_npm()
    with attempts.at("installing PyPI's peers (once)"):
        packages.install_pypi()
    with attempts.at("building Ory Kratos (once, some minutes)"):
        packages.install_kratos()
    record.about["packages"] |= packages.versions()


def _measure(running: Scene, effort: Effort, attempts: Attempts, record: Record, *, quick: bool) -> None:
    generator = running.generator
    for name, make in {**checks(running, effort), **paths(running)}.items():
        with attempts.at(f"measuring {name}"):
            record.rows.append(row := run(make(), running, effort))
            attempts.failed |= {f"{name}: {subject}": why for subject, why in row.failed.items()}
    parts: dict[str, Callable[[], Timings]] = {
        "revocations": lambda: _revocations(running, effort),
        "sign-ins of nobody": lambda: timings.enumeration(running, generator, effort),
        "a flood of sign-ins": lambda: timings.flood(running, generator, effort),
        "silent connections": lambda: disturbances.slow_clients(running, generator, effort),
        "stores that hang": lambda: disturbances.hung_stores(running, generator),
        "a check among many sessions": lambda: among_many(running, effort),
    }
    for name in ("silent connections", "stores that hang") if quick else ():
        del parts[name]  # these take as long as they take
    for name, part in parts.items():
        with attempts.at(f"measuring {name}"):
            record.timings |= part()


def _revocations(running: Scene, effort: Effort) -> Timings:
    """Measure them while a second cache process has a gateway too, and then with one, as most have."""
    found = {f"two cache processes: {name}": value for name, value in revocations(running, effort).items()}
    for name, process in running.traced.processes.items() if running.traced else ():
        process.end()
        del running.pids[f"traced {name}"]
    time.sleep(2 * LEASE_SECONDS)  # until then their readers may be serving, and a revocation waits for them
    return found | revocations(running, effort)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few calls each on embedded stores, to see that it runs")
    parser.add_argument("--peers", action="store_true", help="others' servers beside ours, on the same stores")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="where the figures are written")
    given = parser.parse_args()
    sys.exit(main(given.results, quick=given.quick, peers=given.peers))
