"""Measures promised latencies: user enumeration, and checks, health and event loops under a flood of sign-ins."""

import asyncio
import time
from statistics import median

from prometheus_client.parser import text_string_to_metric_families

from bench.effort import Effort
from bench.load.generator import Generator
from bench.load.samples import Round, percentile
from bench.testbed.testbed import USER, Testbed
from tests.harness.metrics import metrics_of

CHECKS_PER_SECOND = 100.0
CONNECTIONS = 10
PROBES_PER_SECOND = 20.0
QUEUE_FILLS_SECONDS = 0.5
"""The time until the flood fills the hashing queue, which then stays full for some two seconds."""
LATECOMERS = 5

Timings = dict[str, float]


def enumeration(testbed: Testbed, generator: Generator, effort: Effort) -> Timings:
    """Measure sign-ins and password resets of unknown and known addresses, in turn (promise A3: within 5 %)."""
    wrong = "not the right password"
    attempts = [testbed.sign_in("unknown@example.com", wrong), testbed.sign_in(USER["email"], wrong)]
    unknown, known = (median(each) for each in generator.run("in_turn", attempts, effort.samples))
    resets = [testbed.reset("unknown@example.com"), testbed.reset(USER["email"])]
    # Each takes half a second by design, so a tenth of the samples.
    unknown, known = (median(each) for each in generator.run("in_turn", resets, max(1, effort.samples // 10)))
    return {
        "sign-in of an unknown user, ms": unknown,
        "sign-in with a wrong password, ms": known,
        "they differ by, % (wanted: 5 at most)": 100 * abs(unknown - known) / known,
        "asking for a reset of an unknown address, ms": unknown,
        "asking for a reset of a known address, ms": known,
        "these differ by, % (wanted: 5 at most)": 100 * abs(unknown - known) / known,
    }


def flood(testbed: Testbed, generator: Generator, effort: Effort) -> Timings:
    """Measure 100 checks a second, alone and beside 200 sign-ins, and meanwhile shed sign-ins, health and loop lag."""
    checks = (
        testbed.get("/api/auth/get-session", port=testbed.unlimited_port),
        CONNECTIONS,
        effort.flood_seconds,
        CHECKS_PER_SECOND,
    )
    sign_in = testbed.sign_in(USER["email"], USER["password"])
    probes = (testbed.get("/healthz", port=testbed.unlimited_port), 1, effort.flood_seconds, PROBES_PER_SECOND)
    idle: Round = generator.run("steady", *checks)
    with Generator() as attackers, Generator() as latecomers, Generator() as prober:
        latecomers.run("burst", [sign_in])  # starts its process
        attackers.run("burst", [sign_in] * effort.flood)  # grows the pools to their full size
        lags = {name: _lags(port) for name, port in testbed.flooded_metrics_ports.items()}
        generator.start("steady", *checks)
        prober.start("steady", *probes)
        attackers.start("burst", [sign_in] * effort.flood)
        time.sleep(QUEUE_FILLS_SECONDS)
        late: list[tuple[int, float]] = [latecomers.run("burst", [sign_in])[0] for _ in range(LATECOMERS)]
        answers: list[tuple[int, float]] = attackers.result()
        busy: Round = generator.result()
        health: Round = prober.result()
        late_loops = {name: _lags(port) - lags[name] for name, port in testbed.flooded_metrics_ports.items()}
    turned_away = [milliseconds for status, milliseconds in late if status == 503]
    calm, pressed = percentile(idle.milliseconds, 0.99), percentile(busy.milliseconds, 0.99)
    return {
        "session checks alone, p99 ms": calm,
        f"session checks under {effort.flood} sign-ins at once, p99 ms": pressed,
        "the flood makes them slower by, times (wanted: 3 at most)": pressed / calm,
        "session checks that failed": float(idle.failures + busy.failures),
        f"of {effort.flood} sign-ins at once, answered 200": float(sum(status == 200 for status, _ in answers)),
        f"of {LATECOMERS} that come while the queue is full, answered 503": float(len(turned_away)),
        "these are answered in, median ms (wanted: 50 at most)": median(turned_away or [0.0]),
        "health checks throughout, slowest ms (wanted: 100 at most)": max(health.milliseconds),
        **{f"{name}: times its loop was over 50 ms late (wanted: 0)": times for name, times in late_loops.items()},
    }


def _lags(port: int) -> float:
    """Return how often the event loop of a process woke up more than 50 ms late."""

    said = asyncio.run(metrics_of(port))
    samples = [sample for family in text_string_to_metric_families(said) for sample in family.samples]
    everything = sum(each.value for each in samples if each.name == "trivet_loop_lag_seconds_count")
    in_time = (each for each in samples if each.name == "trivet_loop_lag_seconds_bucket")
    return everything - sum(each.value for each in in_time if each.labels.get("le") == "0.05")
