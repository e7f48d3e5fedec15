"""What is promised in milliseconds while something is wrong: slow clients (H1), and a store that hangs (R3)."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median

from bench.effort import Effort
from bench.load.generator import Generator
from bench.load.http import Request
from bench.load.samples import Round, percentile
from bench.measurements.timings import Timings
from bench.testbed.testbed import PERSON, Scene

SILENT_CONNECTIONS = 800
HANG_SECONDS = 5.0
TIMEOUT_SECONDS = 10.0


def slow_clients(scene: Scene, generator: Generator, effort: Effort) -> Timings:
    """H1: connections that say nothing are held while a good client asks; 200 ms wanted."""
    port = scene.whole["gateway"].port
    with ExitStack() as stack:
        for _ in range(min(SILENT_CONNECTIONS, 4 * effort.samples)):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        good: Round = generator.run("steady", scene.get("/healthz"), 2, effort.seconds, 50.0)
    slowest = percentile(good.milliseconds, 0.99)
    return {"a good client beside silent connections, p99 ms (wanted: 200 at most)": slowest}


def hung_stores(scene: Scene, generator: Generator) -> Timings:
    """R3: each store is stopped for 5 s: how long a call that needs it takes, and when it is well after that."""
    needs = {
        "sql": scene.sign_in(PERSON["email"], PERSON["password"]),
        "mongodb": scene.get("/v1/notifications", port=scene.unlimited_port),
        "redis": scene.get("/api/auth/get-session", port=scene.unlimited_port),
    }
    found: Timings = {}
    for kind, request in needs.items():
        if (pid := scene.store_pids.get(kind)) is None:
            continue
        found |= _hung(kind, pid, partial(_once, generator, request))
    return found


def _hung(kind: str, pid: int, ask: Callable[[], tuple[int, float]]) -> Timings:
    answers = []
    with _stopped(pid):
        end = time.monotonic() + HANG_SECONDS
        while time.monotonic() < end:
            answers.append(ask()[1])
    began = time.monotonic()
    while ask()[0] != 200 and time.monotonic() < began + TIMEOUT_SECONDS:
        pass
    return {
        f"{kind} hangs: a call that needs it, median ms": median(answers),
        f"{kind} hangs: the slowest such call, ms": max(answers),
        f"{kind} is back: well after, ms (wanted: 2,000 at most)": 1000 * (time.monotonic() - began),
    }


def _once(generator: Generator, request: Request) -> tuple[int, float]:
    answer: tuple[int, float] = generator.run("burst", [request])[0]
    return answer


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
