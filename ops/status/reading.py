"""Reads every process and store of a system once, all at the same time."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from ops.doctor import processes
from ops.doctor.examination import Check, outcome
from ops.doctor.finding import Finding, Severity
from ops.stack.endpoints import Endpoints
from ops.status.samples import Samples
from runtime.clock import utc_now

READ_SECONDS = 1.5


@dataclass(frozen=True)
class Reading:
    """What the processes answered. A process whose metrics did not answer is None in `samples`."""

    at: datetime
    monotonic: float
    samples: Mapping[str, Samples | None]
    health: Mapping[str, Finding | None] = field(default_factory=dict)
    """The finding about each process that has a health check; None if it is well."""


async def read(known: Endpoints) -> Reading:
    """Read the metrics and the health of all processes."""
    async with httpx.AsyncClient(timeout=READ_SECONDS, trust_env=False) as client:
        at, began = utc_now(), time.monotonic()
        samples, health = await asyncio.gather(_samples(client, known.metrics), _health(known))
    return Reading(at, began, samples, health)


async def _samples(client: httpx.AsyncClient, addresses: Mapping[str, str]) -> dict[str, Samples | None]:
    async def one(address: str) -> Samples | None:
        try:
            answer = await client.get(f"http://{address}/metrics")
            return Samples(answer.text) if answer.is_success else None
        except (httpx.HTTPError, ValueError):  # gone, hung, or another program's port
            return None

    found = await asyncio.gather(*map(one, addresses.values()))
    return dict(zip(addresses, found, strict=True))


async def _health(known: Endpoints) -> dict[str, Finding | None]:
    async def one(check: Check) -> Finding | None:
        found = await outcome(check, READ_SECONDS + 0.5)
        return min(found, key=lambda each: list(Severity).index(each.severity), default=None)

    checks = {name: _service_check(name, address) for name, address in known.services.items()}
    if known.url:
        checks["gateway"] = Check(processes.CHECK, lambda: processes.gateway(known.url))
    found = await asyncio.gather(*map(one, checks.values()))
    return dict(zip(checks, found, strict=True))


def _service_check(name: str, address: str) -> Check:
    return Check(processes.CHECK, lambda: processes.service(name, address))
