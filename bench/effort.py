"""The amount of load: the full benchmark, or a quick run that shows that it works."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """`callers` calls are in flight at a time. `samples` is the number of calls of a latency measurement."""

    rounds: int = 5
    seconds: float = 1.0
    warm_up_seconds: float = 0.5
    compiling_seconds: float = 2.0
    """The warm-up of a process with a core of its own: Node compiles hot code while it runs."""
    callers: int = 16
    samples: int = 200
    flood: int = 200
    flood_seconds: float = 8.0
    cold_sessions: int = 1_500
    """The number of sessions per round that the gateway under test has not seen before."""
    revocations: int = 200
    few_sessions: int = 1_000
    many_sessions: int = 1_000_000
    idle_seconds: float = 15.0
    """How long the stack is idle before its memory is read."""
    has_warm_start: bool = True


QUICK = Effort(
    rounds=1,
    seconds=0.1,
    warm_up_seconds=0.05,
    compiling_seconds=0.05,
    callers=2,
    samples=3,
    flood=4,
    flood_seconds=0.5,
    cold_sessions=20,
    revocations=3,
    few_sessions=20,
    many_sessions=60,
    idle_seconds=0.5,
    has_warm_start=False,
)
