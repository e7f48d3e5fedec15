"""Whether this process lives, and whether it can do its main job."""

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.deps import Deps
from gateway.readiness import Readiness


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the probes' routes."""
    readiness = Readiness(deps.backends)

    async def healthz(_: Request) -> Response:
        """Alive: depends on nothing else, so that a dead store never restarts a gateway."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def readyz(_: Request) -> Response:
        """Ready: this process is not about to end, and identity answers. `degraded` names the services that fail.

        Without the cache or notifications a gateway is ready: that costs speed, or notifications, and no sign-in. The
        metrics port has the details.
        """
        if deps.draining.is_set():
            return _answer("draining", 503)
        found = await readiness.report()
        if not found.is_able:
            return _answer("down", 503, found.degraded)
        return _answer("degraded" if found.degraded else "ok", 200, found.degraded)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def _answer(status: str, code: int, degraded: Sequence[str] = ()) -> Response:
    return Response(msgspec.json.encode({"status": status, "degraded": degraded}), code, media_type="application/json")
