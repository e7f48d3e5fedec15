"""Measures what each protection against a cache stampede saves: `python -m bench.stampede`.

500 readers ask two gateways at once for sessions that are not cached, with all protections and without each.
Arguments select the runs: "none", or names in OFF.
"""

import asyncio
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from redis import Redis

from bench.load.http import ADDRESSES, Request, burst, from_address, request
from bench.testbed.bulk_sessions import BulkSession, BulkSessions
from bench.testbed.testbed import GET_SESSION, USER
from tests.harness.clients import LIMITED
from tests.harness.metrics import metric
from tests.harness.people import FAST_HASHING
from tests.harness.ports import free_port
from tests.harness.processes import ROOT, Process, process
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine
from tests.harness.whole import Stores, Whole, whole

READERS = 500
ROUNDS = {"one session": 9, "a session each": 5}
"""Rounds of each kind: all readers ask for one session, or each for its own."""
NO_SERVER = "127.0.0.1:1"
OFF = (
    (),
    ("single flight",),
    ("lookup batching",),
    ("checks on the loop",),
    ("claims",),
    ("read coalescing",),
    ("lookup batching", "read coalescing"),
    ("single flight", "claims"),
)
"""The protections that each run switches off. Two that replace each other are also switched off together."""


@dataclass
class StampedeTestbed:
    """Two gateways, a cache service, identity, their stores, and the sessions to read."""

    services: Whole
    gateways: list[Process]
    stores: dict[str, Engine]
    bulk_sessions: BulkSessions
    clients: Iterator[int] = field(default_factory=lambda: itertools.count(ADDRESSES))

    def pids(self) -> dict[str, list[int]]:
        """Return the process ids by group, for the CPU time."""
        ours = {name: [process.popen.pid] for name, process in self.services.processes.items()}
        own = {name: [store.process.pid] for name, store in self.stores.items() if store.process}
        return {"gateways": [gateway.popen.pid for gateway in self.gateways], **ours, **own}

    def check(self, session: BulkSession, number: int) -> Request:
        """Return the check of a session from a new client address. The gateways take turns."""
        port = self.gateways[number % len(self.gateways)].port
        return from_address(request(port, "GET", GET_SESSION, {"cookie": session.cookie}), next(self.clients))

    async def counts(self) -> dict[str, float]:
        """Return the number of lookups, scripts and statements since the start."""
        cache, identity = (self.services.metrics_ports[name] for name in ("cache", "identity"))
        with Redis.from_url(self.stores["redis"].url) as redis:
            commands: Any = redis.info("commandstats")
        return {
            "lookups": await metric(cache, "trivet_cache_hits_total")
            + await metric(cache, "trivet_cache_misses_total"),
            "scripts": sum(found["calls"] for name, found in commands.items() if name.startswith("cmdstat_evalsha")),
            "statements": await metric(identity, "trivet_store_duration_seconds_count", operation="sessions.verify"),
        }


def cpu_ms(pids: list[int]) -> float:
    """Return the CPU time of the processes, in milliseconds, as the kernel's scheduler counts it (Linux)."""
    nanoseconds = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e6


@contextmanager
def undisturbed(groups: Iterable[list[int]]) -> Iterator[None]:
    """Give these processes and this one real-time priority inside the block (Linux, as root)."""
    pids = [os.getpid(), *itertools.chain.from_iterable(groups)]

    def run_by(policy: int, priority: int) -> None:
        for thread in itertools.chain.from_iterable(Path(f"/proc/{pid}/task").iterdir() for pid in pids):
            with suppress(OSError):  # it has ended, or this user cannot set it
                os.sched_setscheduler(int(thread.name), policy, os.sched_param(priority))

    run_by(os.SCHED_RR, 1)
    try:
        yield
    finally:
        run_by(os.SCHED_OTHER, 0)


def environment_without(off: tuple[str, ...]) -> dict[str, str]:
    """Return the variables that switch these protections off in a process: see `bench/layers`."""
    path = os.pathsep.join(str(ROOT / part) for part in ("bench/layers", "protos", ""))
    return {"PYTHONPATH": path, "TRIVET_BENCH_WITHOUT": ",".join(off)}


@contextmanager
def started(off: tuple[str, ...]) -> Iterator[StampedeTestbed]:
    """Run the processes on MariaDB and Redis without the protections in `off`."""
    without: dict[str, Any] = {**environment_without(off), "TRIVET_LOG_LEVEL": "WARNING"}
    with ExitStack() as stack:
        stores = {"mariadb": stack.enter_context(engines.mariadb()), "redis": stack.enter_context(engines.redis())}
        urls = Stores(stores["mariadb"].url, f"mongodb://{NO_SERVER}", stores["redis"].url)
        services = stack.enter_context(whole(urls, "cache", "identity", **FAST_HASHING, **without))
        addresses = {f"TRIVET_{name.upper()}_ADDRESS": services[name].address for name in ("cache", "identity")}
        environment: dict[str, Any] = {**addresses, **LIMITED, **without, "TRIVET_NOTIFICATIONS_ADDRESS": NO_SERVER}
        gateways = [stack.enter_context(_gateway(environment)) for _ in range(2)]
        yield StampedeTestbed(services, gateways, stores, BulkSessions(urls.sql, asyncio.run(_session_id(gateways[0]))))


def _gateway(environment: dict[str, Any]) -> AbstractContextManager[Process]:
    port = free_port()
    return process("gateway", port=port, **environment, TRIVET_BASE_URL=f"http://127.0.0.1:{port}")


async def _session_id(gateway: Process) -> str:
    """Sign a user up; return the id of the session."""
    url = f"http://{gateway.address}"
    async with httpx.AsyncClient(base_url=url, headers={"origin": url}, timeout=30) as browser:
        (await browser.post("/api/auth/sign-up/email", json=USER)).raise_for_status()
        return str((await browser.get(GET_SESSION)).json()["session"]["id"])


async def stampede(testbed: StampedeTestbed, kind: str) -> dict[str, float]:
    """Let all readers ask at once. Return the counts and the CPU time of each process."""
    sessions = testbed.bulk_sessions.add(1) * READERS if kind == "one session" else testbed.bulk_sessions.add(READERS)
    asked = [testbed.check(session, number) for number, session in enumerate(sessions)]
    before, counts = {name: cpu_ms(pids) for name, pids in testbed.pids().items()}, await testbed.counts()
    with undisturbed(testbed.pids().values()):
        answers = await burst(asked)
    after = {name: cpu_ms(pids) - before[name] for name, pids in testbed.pids().items()}
    done = {name: count - counts[name] for name, count in (await testbed.counts()).items()}
    refused = sum(status != 200 for status, _ in answers)
    return {**after, **done, "refused": refused, "slowest": max(milliseconds for _, milliseconds in answers)}


def measured(off: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the medians of each kind of stampede. The first round is a warm-up."""
    with started(off) as testbed:
        found = {}
        for kind, rounds in ROUNDS.items():
            taken = [asyncio.run(stampede(testbed, kind)) for _ in range(1 + rounds)][1:]
            found[kind] = {name: median(each[name] for each in taken) for name in taken[0]}
        return found


def main() -> None:
    names = sys.argv[1:]
    for off in OFF:
        if names and (", ".join(off) or "none") not in names:
            continue
        for kind, figures in measured(off).items():
            print(json.dumps({"off": off, "kind": kind, **{name: round(each, 1) for name, each in figures.items()}}))


if __name__ == "__main__":
    main()
