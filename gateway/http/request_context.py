"""The context of a request: written on the way in, and read by the access log, metrics and traces on the way out."""

from dataclasses import dataclass, field
from typing import cast

from starlette.types import Scope

UNMATCHED = "unmatched"
_KEY = "trivet.context"
_HEADERS = "trivet.headers"

Header = tuple[bytes, bytes]


@dataclass(slots=True)
class RequestContext:
    """A request and its answer.

    `route` is the template that matched (`/v1/users/{user_id}`), never the path: a path can hold a token. `user_id` is
    set when the session is read. `status` is 0 until the answer begins. `is_hit`: the answer came from a cache.
    `headers` are added to the answer.
    """

    request_id: str
    route: str = UNMATCHED
    user_id: str = ""
    trace_id: str = ""
    span_id: str = ""
    status: int = 0
    is_hit: bool = False
    headers: list[Header] = field(default_factory=list)


def request_context_of(scope: Scope) -> RequestContext:
    """Return the context of a request's scope."""
    return cast(RequestContext, scope[_KEY])


def begin_request_context(scope: Scope, request_id: str) -> RequestContext:
    """Attach a new context to a request's scope."""
    context = scope[_KEY] = RequestContext(request_id)
    return context


def header(scope: Scope, name: bytes) -> str:
    """Return a request header's value, several lines joined by commas (RFC 9110, 5.2); empty without one.

    So a proxy and the gateway cannot each read another line of the header.
    """
    headers: dict[bytes, bytes] | None = scope.get(_HEADERS)
    if headers is None:  # read often, so they are collected once
        headers = scope[_HEADERS] = {}
        for key, value in scope["headers"]:
            headers[key] = headers[key] + b", " + value if key in headers else value
    return headers.get(name, b"").decode("latin-1")
