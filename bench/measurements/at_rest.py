"""Measures `trivet run` on embedded stores: its start time, and its memory at rest."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.effort import Effort
from bench.measurements.timings import Timings
from tests.harness.stack import descendants, stack

MEMORY = "the whole stack at rest, embedded stores included, resident, MB (wanted: 450 at most)"
BY_SHARE = "the whole stack at rest, what its processes share counted once (PSS), MB"
MEGABYTE = 1_000_000


def at_rest(effort: Effort) -> Timings:
    """Start the stack on existing data, and read its memory after some idle time."""
    with TemporaryDirectory(prefix="trivet-bench-") as folder:
        data = Path(folder) / "data"
        if effort.has_warm_start:
            with stack(data):
                pass
        began = time.monotonic()
        with stack(data) as running:
            ready = time.monotonic() - began
            time.sleep(effort.idle_seconds)  # until then memory of the start is returned
            parts = {"trivet run": running.process.pid, **running.children()}
            every = {running.process.pid, *descendants(running.process.pid)}
            resident = {pid: memory(pid, "status", "VmRSS:") for pid in every}
            by_share = [memory(pid, "smaps_rollup", "Pss:") for pid in every]
    start = "warm start" if effort.has_warm_start else "first start"
    return {
        f"{start} to ready, s (wanted: 8 at most)": ready,
        **{f"at rest, {name}, resident, MB": resident[pid] / MEGABYTE for name, pid in parts.items()},
        MEMORY: sum(resident.values()) / MEGABYTE,
        BY_SHARE: sum(by_share) / MEGABYTE,
    }


def memory(pid: int, file: str, field: str) -> int:
    """Return a field of a process's file in /proc, in bytes. Returns 0 if the file cannot be read."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((1_024 * int(line.split()[1]) for line in lines if line.startswith(field)), 0)
