"""What each protection against a stampede saves: `python -m bench.stampede` prints the figures of docs/performance.md.

All readers ask two gateways at once for sessions that no cache holds, with all protections and without each of them.
Arguments choose what is measured: "none", or names of OFF.
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
from bench.testbed.bulk_sessions import Crowd, Member
from bench.testbed.testbed import GET_SESSION, PERSON
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
"""How often each stampede is run: all readers ask for the same session, or each for another."""
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
"""The protections that are missing in turn. Two that cover for each other are also missing together."""


@dataclass
class Scene:
    """Two gateways, a cache service and identity; the stores below them; and the sessions that are read."""

    services: Whole
    gateways: list[Process]
    stores: dict[str, Engine]
    crowd: Crowd
    clients: Iterator[int] = field(default_factory=lambda: itertools.count(ADDRESSES))

    def pids(self) -> dict[str, list[int]]:
        """Return the processes whose work is counted."""
        ours = {name: [running.popen.pid] for name, running in self.services.processes.items()}
        own = {name: [store.process.pid] for name, store in self.stores.items() if store.process}
        return {"gateways": [gateway.popen.pid for gateway in self.gateways], **ours, **own}

    def check(self, member: Member, number: int) -> Request:
        """Return the check of a session by one more client, at one gateway or the other."""
        port = self.gateways[number % len(self.gateways)].port
        return from_address(request(port, "GET", GET_SESSION, {"cookie": member.cookie}), next(self.clients))

    async def counts(self) -> dict[str, float]:
        """Return what has been asked of each service and store since its start."""
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
    """Have the kernel run these processes and this one before all others of the machine (Linux, by root)."""
    pids = [os.getpid(), *itertools.chain.from_iterable(groups)]

    def run_by(policy: int, priority: int) -> None:
        for thread in itertools.chain.from_iterable(Path(f"/proc/{pid}/task").iterdir() for pid in pids):
            with suppress(OSError):  # it has ended, or may not be set
                os.sched_setscheduler(int(thread.name), policy, os.sched_param(priority))

    run_by(os.SCHED_RR, 1)
    try:
        yield
    finally:
        run_by(os.SCHED_OTHER, 0)


def environment_without(off: tuple[str, ...]) -> dict[str, str]:
    """Return what a process without these protections finds in its environment: see `bench/layers`."""
    path = os.pathsep.join(str(ROOT / part) for part in ("bench/layers", "protos", ""))
    return {"PYTHONPATH": path, "TRIVET_BENCH_WITHOUT": ",".join(off)}


@contextmanager
def scene(off: tuple[str, ...]) -> Iterator[Scene]:
    """Run the processes on MariaDB and Redis, without the protections in `off`."""
    without: dict[str, Any] = {**environment_without(off), "TRIVET_LOG_LEVEL": "WARNING"}
    with ExitStack() as stack:
        stores = {"mariadb": stack.enter_context(engines.mariadb()), "redis": stack.enter_context(engines.redis())}
        urls = Stores(stores["mariadb"].url, f"mongodb://{NO_SERVER}", stores["redis"].url)
        services = stack.enter_context(whole(urls, "cache", "identity", **FAST_HASHING, **without))
        addresses = {f"TRIVET_{name.upper()}_ADDRESS": services[name].address for name in ("cache", "identity")}
        environment: dict[str, Any] = {**addresses, **LIMITED, **without, "TRIVET_NOTIFICATIONS_ADDRESS": NO_SERVER}
        gateways = [stack.enter_context(_gateway(environment)) for _ in range(2)]
        yield Scene(services, gateways, stores, Crowd(urls.sql, asyncio.run(_session_id(gateways[0]))))


def _gateway(environment: dict[str, Any]) -> AbstractContextManager[Process]:
    port = free_port()
    return process("gateway", port=port, **environment, TRIVET_BASE_URL=f"http://127.0.0.1:{port}")


async def _session_id(gateway: Process) -> str:
    """Sign a user up; return the id of the session."""
    url = f"http://{gateway.address}"
    async with httpx.AsyncClient(base_url=url, headers={"origin": url}, timeout=30) as browser:
        (await browser.post("/api/auth/sign-up/email", json=PERSON)).raise_for_status()
        return str((await browser.get(GET_SESSION)).json()["session"]["id"])


async def stampede(running: Scene, kind: str) -> dict[str, float]:
    """Have all readers ask at once; return what that took, and the CPU time of each process."""
    members = running.crowd.add(1) * READERS if kind == "one session" else running.crowd.add(READERS)
    asked = [running.check(member, number) for number, member in enumerate(members)]
    before, counts = {name: cpu_ms(pids) for name, pids in running.pids().items()}, await running.counts()
    with undisturbed(running.pids().values()):
        answers = await burst(asked)
    after = {name: cpu_ms(pids) - before[name] for name, pids in running.pids().items()}
    done = {name: count - counts[name] for name, count in (await running.counts()).items()}
    refused = sum(status != 200 for status, _ in answers)
    return {**after, **done, "refused": refused, "slowest": max(milliseconds for _, milliseconds in answers)}


def measured(off: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the medians of each stampede without some protections; the first of each kind is a warm-up."""
    with scene(off) as running:
        found = {}
        for kind, rounds in ROUNDS.items():
            taken = [asyncio.run(stampede(running, kind)) for _ in range(1 + rounds)][1:]
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
