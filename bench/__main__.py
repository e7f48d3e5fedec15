"""`make bench`: runs all measurements and reports the results. A slow result is not a failure."""

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
from bench.peers.peer import PEER_KINDS
from bench.reporting import report
from bench.reporting.report import Record
from bench.testbed.start import started
from bench.testbed.testbed import Testbed
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
        embedded = quick and not peers
        with attempts.at("starting everything"), started(attempts, embedded=embedded, peers=peers) as testbed:
            record.stores = sorted(testbed.store_names)
            settings = {kind.name: kind.settings for kind in PEER_KINDS} | {kratos.NAME: kratos.SETTINGS}
            record.peers = {name: settings[name] for name in testbed.peers}
            _measure(testbed, effort, attempts, record, quick=quick)
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


def _measure(testbed: Testbed, effort: Effort, attempts: Attempts, record: Record, *, quick: bool) -> None:
    generator = testbed.generator
    for name, make in {**checks(testbed, effort), **paths(testbed)}.items():
        with attempts.at(f"measuring {name}"):
            record.rows.append(row := run(make(), testbed, effort))
            attempts.failed |= {f"{name}: {subject}": why for subject, why in row.failed.items()}
    parts: dict[str, Callable[[], Timings]] = {
        "revocations": lambda: _revocations(testbed, effort),
        "sign-ins of an unknown user": lambda: timings.enumeration(testbed, generator, effort),
        "a flood of sign-ins": lambda: timings.flood(testbed, generator, effort),
        "silent connections": lambda: disturbances.slow_clients(testbed, generator, effort),
        "stores that hang": lambda: disturbances.hung_stores(testbed, generator),
        "a check among many sessions": lambda: among_many(testbed, effort),
    }
    for name in ("silent connections", "stores that hang") if quick else ():
        del parts[name]  # their time does not depend on the effort
    for name, part in parts.items():
        with attempts.at(f"measuring {name}"):
            record.timings |= part()


def _revocations(testbed: Testbed, effort: Effort) -> Timings:
    """Measure with two cache processes, each with a gateway, and then with one, the usual case."""
    found = {f"two cache processes: {name}": value for name, value in revocations(testbed, effort).items()}
    for name, process in testbed.traced.processes.items() if testbed.traced else ():
        process.end()
        del testbed.pids[f"traced {name}"]
    time.sleep(2 * LEASE_SECONDS)  # until then their readers can serve, and a revocation waits for them
    return found | revocations(testbed, effort)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="make few calls, on embedded stores, as a self-test")
    parser.add_argument("--peers", action="store_true", help="measure other products on the same stores too")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="the file for the results")
    given = parser.parse_args()
    sys.exit(main(given.results, quick=given.quick, peers=given.peers))
