"""What is learned of one request on its way in, for those who write of it on its way out."""

from dataclasses import dataclass, field
from typing import cast

from starlette.types import Scope

UNMATCHED = "unmatched"
_KEY = "trivet.context"
_HEADERS = "trivet.headers"

Header = tuple[bytes, bytes]


@dataclass(slots=True)
class RequestContext:
    """One request and its answer.

    `route` is the template that matched (`/v1/users/{user_id}`), never the path: a path may hold a token.
    `user_id` is set by whoever finds out who calls. `status` is 0 until an answer has begun. `is_hit` says that it came
    from a cache, and its owner was not asked.
    """

    request_id: str
    route: str = UNMATCHED
    user_id: str = ""
    trace_id: str = ""
    span_id: str = ""
    status: int = 0
    is_hit: bool = False
    headers: list[Header] = field(default_factory=list)  # added to the answer, whoever makes it


def request_context_of(scope: Scope) -> RequestContext:
    """Return the context that a request's scope belongs to."""
    return cast(RequestContext, scope[_KEY])


def begin_request_context(scope: Scope, request_id: str) -> RequestContext:
    """Attach a new context to a request's scope."""
    context = scope[_KEY] = RequestContext(request_id)
    return context


def header(scope: Scope, name: bytes) -> str:
    """Return a request header's value, several combined by commas (RFC 9110, 5.2); empty without one.

    So no program in front can take one line of a header for the right one where another is read here.
    """
    headers: dict[bytes, bytes] | None = scope.get(_HEADERS)
    if headers is None:  # many ask, so they are sorted once
        headers = scope[_HEADERS] = {}
        for key, value in scope["headers"]:
            headers[key] = headers[key] + b", " + value if key in headers else value
    return headers.get(name, b"").decode("latin-1")
