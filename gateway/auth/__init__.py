"""The Better Auth protocol under /api/auth, so that its client finds here what it finds at the original."""

from starlette.routing import BaseRoute, Route

from gateway.auth.protocol.endpoint import BASE_PATH, AuthProtocol
from gateway.deps import Deps


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the routes: everything under /api/auth, known or not."""
    protocol = AuthProtocol(deps)
    return [Route(BASE_PATH, protocol), Route(f"{BASE_PATH}/{{path:path}}", protocol)]
