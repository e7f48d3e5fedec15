"""Finds who answers a request: hand-written routes first, then what the descriptors annotate."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.errors import ApiError
from gateway.http.request_context import request_context_of


class Router:
    """Tries routes without variables by their path, the others in their order, and then `otherwise`.

    A path that is served, but not by this method, is 405 with Allow; one that nobody serves is 404.
    """

    def __init__(self, routes: Iterable[BaseRoute], otherwise: ASGIApp) -> None:
        self._fixed: dict[str, list[Route]] = {}
        self._variable: list[Route] = []
        self._otherwise = otherwise
        for route in routes:
            if not isinstance(route, Route):
                raise TypeError(f"only plain routes are served, so that each has a template: {route!r}")
            if "{" in route.path:
                self._variable.append(route)
            else:
                self._fixed.setdefault(route.path, []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed: set[str] = set()
        # A slash that came as %2F parts no segments, though `path` holds it decoded.
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
    """Return the path as it came, still percent-encoded."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0]


def method_not_allowed(method: str, allowed: Iterable[str]) -> ApiError:
    """Return the refusal of a method on a path that serves others."""
    allow = ", ".join(sorted(allowed))
    return ApiError(
        "UNIMPLEMENTED",
        "METHOD_NOT_ALLOWED",
        f"{method[:16]} is not served here, but {allow}",
        status=405,
        headers={"allow": allow},
    )


def route_not_found() -> ApiError:
    """Return the refusal of a path that nobody serves."""
    return ApiError("NOT_FOUND", "ROUTE_NOT_FOUND", "nothing is served under this path")
