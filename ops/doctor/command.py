"""`trivet doctor`.

The checks are imported in the functions that use them, so that other subcommands start faster.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from ops.doctor.finding import Finding, Severity, status_of
from ops.output import as_json, note, table

STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
ORDER = list(STYLES)


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> int:
    """Find what is wrong with this system: settings, secrets, processes, stores, clocks, disks and certificates.

    It changes nothing, so it can run in production. Each finding says what to do. The exit status is 0 without
    warnings and errors, 1 with a warning, and 2 with an error.
    """
    from ops.doctor.checks import checks
    from ops.doctor.examination import examine

    began = time.monotonic()
    every = checks()
    found = _sorted(asyncio.run(examine(every)))
    names = list(dict.fromkeys(check.name for check in every))
    if json:
        as_json(
            {
                "status": status_of(found),
                "seconds": round(time.monotonic() - began, 3),
                "checks": names,
                "findings": [
                    {"check": e.check, "severity": e.severity.value, "problem": e.problem, "remedy": e.remedy}
                    for e in found
                ],
            }
        )
        return status_of(found)
    if found:
        _show(found)
    counts = [f"{severity.value}s: {sum(each.severity is severity for each in found)}" for severity in ORDER]
    note(f"checks: {len(every)}, {', '.join(counts)}")
    return status_of(found)


def _sorted(found: Sequence[Finding]) -> list[Finding]:
    """Return the findings, each once, the worst first."""
    return sorted(dict.fromkeys(found), key=lambda each: ORDER.index(each.severity))


def _show(found: Sequence[Finding]) -> None:
    rows = [(each.severity.value, each.check, each.problem, each.remedy) for each in found]
    table(("SEVERITY", "CHECK", "PROBLEM", "WHAT TO DO"), rows, styles=[STYLES[each.severity] for each in found])
