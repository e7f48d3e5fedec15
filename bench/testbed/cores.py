"""Which processes share a core: a server under test has one to itself, and the load generator asks from another."""

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

Cores = frozenset[int]
EVERYWHERE: Cores = frozenset(os.sched_getaffinity(0))


def give(pid: int, cores: Collection[int]) -> None:
    """Let a process, all of its threads and those that they start run on these cores alone (Linux)."""
    with suppress(OSError):  # it, or a thread of it, has ended meanwhile
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                os.sched_setaffinity(int(thread.name), cores)


def part(alone: Iterable[int], load: int, others: Iterable[int]) -> None:
    """Give those in `alone` the first core, the load the last, and the others those in between.

    On two cores the others share the load's. With one core, or nobody who is to be alone, all run everywhere.
    """
    alone, cores = set(alone), sorted(EVERYWHERE)
    if len(cores) < 2 or not alone:
        for pid in (*alone, load, *others):
            give(pid, EVERYWHERE)
        return
    between = cores[1:-1] or cores[-1:]
    give(load, cores[-1:])
    for pid in others:
        give(pid, between)
    for pid in alone:
        give(pid, cores[:1])


def load_shares_its_core() -> bool:
    """Whether the load is made on the core that all others run on too."""
    return len(EVERYWHERE) == 2


def shares() -> str:
    """Return who shares a core with whom, in words."""
    if len(EVERYWHERE) < 2:
        return "one core for everything"
    rest = "the load generator, with all other processes" if load_shares_its_core() else "the load generator alone"
    return f"the server under test alone on a core; on another {rest}"
