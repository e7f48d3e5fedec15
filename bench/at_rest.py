"""`trivet run` on embedded stores: how soon it is ready, and how much memory it holds when nobody asks anything."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.effort import Effort
from bench.timings import Timings
from tests.harness.stack import descendants, stack

MEMORY = "the whole stack at rest, embedded stores included, MB (wanted: 450 at most)"
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
            held = {pid: memory(pid) for pid in every}
    start = "warm start" if effort.has_warm_start else "first start"
    return {
        f"{start} to ready, s (wanted: 8 at most)": ready,
        **{f"at rest, {name}, MB": held[pid] / MEGABYTE for name, pid in parts.items()},
        MEMORY: sum(held.values()) / MEGABYTE,
    }


def memory(pid: int) -> int:
    """Return the bytes that a process holds, 0 if it has ended: what is shared counts by its share (PSS).

    Where PSS is hidden, all that is resident counts.
    """
    folder = Path(f"/proc/{pid}")
    for name, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            lines = (folder / name).read_text().splitlines()
        except OSError:
            continue
        if found := next((line for line in lines if line.startswith(field)), ""):
            return 1_024 * int(found.split()[1])
    return 0
