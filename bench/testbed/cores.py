"""CPU affinity: the server under test has a core of its own, and the load generator runs on another."""

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

Cores = frozenset[int]
EVERYWHERE: Cores = frozenset(os.sched_getaffinity(0))


def pin(pid: int, cores: Collection[int]) -> None:
    """Pin a process with all its threads, present and future, to these cores (Linux)."""
    with suppress(OSError):  # the process or the thread has ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                os.sched_setaffinity(int(thread.name), cores)


def assign(alone: Iterable[int], load: int, others: Iterable[int]) -> None:
    """Pin the processes in `alone` to the first core, the load to the last, and the others to those in between.

    On two cores the others share the core of the load. With one core, or an empty `alone`, all run on all cores.
    """
    alone, cores = set(alone), sorted(EVERYWHERE)
    if len(cores) < 2 or not alone:
        for pid in (*alone, load, *others):
            pin(pid, EVERYWHERE)
        return
    between = cores[1:-1] or cores[-1:]
    pin(load, cores[-1:])
    for pid in others:
        pin(pid, between)
    for pid in alone:
        pin(pid, cores[:1])


def load_shares_its_core() -> bool:
    """Whether the load generator shares its core with all other processes."""
    return len(EVERYWHERE) == 2


def describe() -> str:
    """Return a sentence that says which processes share a core."""
    if len(EVERYWHERE) < 2:
        return "one core for everything"
    rest = "the load generator, with all other processes" if load_shares_its_core() else "the load generator alone"
    return f"the server under test alone on a core; on another {rest}"
