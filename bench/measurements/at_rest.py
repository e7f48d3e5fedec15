"""`trivet run` on embedded stores: how soon it is ready, and how much memory it holds when nobody asks anything."""

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
    """Start it on data that is there already, as an operator does every day, and leave it alone for a while."""
    with TemporaryDirectory(prefix="trivet-bench-") as folder:
        data = Path(folder) / "data"
        if effort.has_warm_start:
            with stack(data):
                pass
        began = time.monotonic()
        with stack(data) as running:
            ready = time.monotonic() - began
            time.sleep(effort.idle_seconds)  # what a start needs for a moment is given back by then
            parts = {"trivet run": running.process.pid, **running.children()}
            every = {running.process.pid, *descendants(running.process.pid)}
            held = {pid: memory(pid, "status", "VmRSS:") for pid in every}
            by_share = [memory(pid, "smaps_rollup", "Pss:") for pid in every]
    start = "warm start" if effort.has_warm_start else "first start"
    return {
        f"{start} to ready, s (wanted: 8 at most)": ready,
        **{f"at rest, {name}, resident, MB": held[pid] / MEGABYTE for name, pid in parts.items()},
        MEMORY: sum(held.values()) / MEGABYTE,
        BY_SHARE: sum(by_share) / MEGABYTE,
    }


def memory(pid: int, file: str, field: str) -> int:
    """Return the bytes that a field of a file of /proc tells of a process, 0 if it has ended or the file is hidden."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((1_024 * int(line.split()[1]) for line in lines if line.startswith(field)), 0)
