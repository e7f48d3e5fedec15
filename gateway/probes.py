"""The probes /healthz and /readyz."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.deps import Deps
from gateway.http.description import Description
from gateway.readiness import Readiness as Probing


class Liveness(msgspec.Struct):
    """The process is alive."""

    status: Literal["ok"]


class Readiness(msgspec.Struct):
    """Whether requests can be served, and which services fail."""

    status: Literal["ok", "degraded", "down", "starting", "draining"]
    degraded: list[str]


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the probes' routes."""
    readiness = Probing(deps.backends)

    @Description(name="getLiveness", answers=(Liveness,))
    async def healthz(_: Request) -> Response:
        """Report that the process is alive. This depends on no store and no other process."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    @Description(name="getReadiness", answers=(Readiness,), answers_by={503: Readiness})
    async def readyz(_: Request) -> Response:
        """Report whether this gateway can serve requests. `degraded` names the services that fail.

        It can while identity answers and it is not about to end. Of several workers each must have reached identity
        once. Without the cache or notifications it is slower, or
        has no notifications, and people still sign in. The metrics port has the details.
        """
        if deps.draining.is_set():
            return _answer("draining", 503)
        if deps.link is not None and deps.link.is_starting:
            return _answer("starting", 503)
        found = await readiness.report()
        if not found.is_able:
            return _answer("down", 503, found.degraded)
        return _answer("degraded" if found.degraded else "ok", 200, found.degraded)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def _answer(status: str, code: int, degraded: Sequence[str] = ()) -> Response:
    return Response(msgspec.json.encode({"status": status, "degraded": degraded}), code, media_type="application/json")
