"""Measures latency under disturbances: silent clients (promise H1), and stores that hang (promise R3)."""

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
from bench.testbed.testbed import USER, Testbed

SILENT_CONNECTIONS = 800
HANG_SECONDS = 5.0
TIMEOUT_SECONDS = 10.0


def slow_clients(testbed: Testbed, generator: Generator, effort: Effort) -> Timings:
    """Measure a good client beside connections that send nothing. The target is 200 ms."""
    port = testbed.whole["gateway"].port
    with ExitStack() as stack:
        for _ in range(min(SILENT_CONNECTIONS, 4 * effort.samples)):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        good: Round = generator.run("steady", testbed.get("/healthz"), 2, effort.seconds, 50.0)
    slowest = percentile(good.milliseconds, 0.99)
    return {"a good client beside silent connections, p99 ms (wanted: 200 at most)": slowest}


def hung_stores(testbed: Testbed, generator: Generator) -> Timings:
    """Stop each store for 5 s. Measure calls that need it, and the time until they succeed again."""
    needs = {
        "sql": testbed.sign_in(USER["email"], USER["password"]),
        "mongodb": testbed.get("/v1/notifications", port=testbed.unlimited_port),
        "redis": testbed.get("/api/auth/get-session", port=testbed.unlimited_port),
    }
    found: Timings = {}
    for kind, request in needs.items():
        if (pid := testbed.store_pids.get(kind)) is None:
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
