"""Whether this process lives, and whether what it composes is ready."""

import asyncio
import time
from typing import Any

import grpc
import msgspec
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.deps import Deps
from trivet.client import Channel

PROBE_SECONDS = 1.5
CHECK = "/grpc.health.v1.Health/Check"


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the probes' routes."""

    async def healthz(_: Request) -> Response:
        """Alive: depends on nothing else, so that a dead store never restarts a gateway."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def readyz(_: Request) -> Response:
        """Ready: every service and every store answers, and this process is not about to end."""
        channels = deps.backends.channels
        states = await asyncio.gather(*(_service(channel) for channel in channels.values()))
        services = dict(zip(channels, states, strict=True))
        is_up = all(state["state"] == "up" and state["store"]["state"] == "up" for state in states)
        status = "draining" if deps.draining.is_set() else "ok" if is_up else "down"
        content = msgspec.json.encode({"status": status, "services": services})
        return Response(content, 200 if status == "ok" else 503, media_type="application/json")

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


async def _service(channel: Channel) -> dict[str, Any]:
    """Ask a service and its store side by side. A service lives if it answers at all, whatever its store does."""
    store, service = await asyncio.gather(_probe(channel, "store"), _probe(channel, ""))
    return {**service, "store": store}


async def _probe(channel: Channel, name: str) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        check = channel.unary_unary(CHECK, HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString)
        answer = await check(HealthCheckRequest(service=name), timeout=PROBE_SECONDS)
        is_up = name == "" or answer.status == HealthCheckResponse.SERVING
    except (grpc.RpcError, LookupError):  # LookupError: no key is shared with the service
        is_up = False
    return {"state": "up" if is_up else "down", "ms": round((time.perf_counter() - began) * 1000, 1)}
