"""Finds the route of a request: hand-written routes first, then those of the descriptors."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.errors import ApiError, Cause
from gateway.http.request_context import request_context_of

METHOD_NOT_ALLOWED = Cause("UNIMPLEMENTED", "METHOD_NOT_ALLOWED", 405)
ROUTE_NOT_FOUND = Cause("NOT_FOUND", "ROUTE_NOT_FOUND")


class Router:
    """Tries the routes without variables by their path, then the others in order, then `otherwise`.

    A path that is served with other methods is 405 with Allow. An unknown path is 404.
    """

    def __init__(self, routes: Iterable[BaseRoute], otherwise: ASGIApp) -> None:
        self._fixed: dict[str, list[Route]] = {}
        self._variable: list[Route] = []
        self._otherwise = otherwise
        for route in routes:
            if not isinstance(route, Route):
                raise TypeError(
                    f"only starlette.routing.Route is supported, because each route needs a template: {route!r}"
                )
            if "{" in route.path:
                self._variable.append(route)
            else:
                self._fixed.setdefault(route.path, []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed: set[str] = set()
        # A slash that came as %2F does not separate segments, though `path` has it decoded.
        written = () if b"%2f" in raw_path(scope).lower() else (*self._fixed.get(scope["path"], ()), *self._variable)
        for route in written:
            match, found = route.matches(scope)
            if match is Match.FULL:
                request_context_of(scope).route = route.path
                await route.handle({**scope, **found}, receive, send)
                return
            if match is Match.PARTIAL:
                request_context_of(scope).route = route.path
                allowed |= route.methods or set()
        if allowed:
            raise method_not_allowed(scope["method"], allowed)
        await self._otherwise(scope, receive, send)


def raw_path(scope: Scope) -> bytes:
    """Return the path with its percent-encoding."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0]


def method_not_allowed(method: str, allowed: Iterable[str]) -> ApiError:
    """Return the error for a method on a path that serves others."""
    allow = ", ".join(sorted(allowed))
    sentence = f"{method[:16]} is not allowed on this path: use {allow}"
    return ApiError(METHOD_NOT_ALLOWED, sentence, headers={"allow": allow})


def route_not_found() -> ApiError:
    """Return the error for a path that is not served."""
    return ApiError(ROUTE_NOT_FOUND, "no route has this path")
