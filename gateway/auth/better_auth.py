"""Mounts the Better Auth protocol under /api/auth."""

from starlette.routing import BaseRoute, Route

from gateway.auth.protocol.endpoint import BASE_PATH, AuthProtocol
from gateway.auth.routes import ROUTES
from gateway.deps import Deps


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the routes of everything under /api/auth, served or not."""
    protocol = AuthProtocol(deps, ROUTES)
    return [Route(BASE_PATH, protocol), Route(f"{BASE_PATH}/{{path:path}}", protocol)]
