"""GET /v1/me: the caller's user, session, subscription and unread count in one request."""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Any, Literal, TypeVar

import grpc
import msgspec
from google.protobuf.message import Message
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.api.json_encoding import converter
from gateway.deps import Deps
from gateway.http.description import Description
from gateway.http.errors import NOT_SIGNED_IN, ApiError
from gateway.http.etag import answer_to
from gateway.sessions.request_session import session_of

PART_SECONDS = 1.0
"""The time of one part. A slow service costs its own part, not the answer."""

T = TypeVar("T")


def _or_null(schema: str) -> Any:
    """Return the schema of a part: the message of that name, or null."""
    return Meta(extra_json_schema={"anyOf": [{"$ref": f"#/components/schemas/{schema}"}, {"type": "null"}]})


class Me(msgspec.Struct, rename="camel"):
    """The parts, and the names of those that are null because their service failed."""

    user: Annotated[Any, _or_null("User")]
    session: Annotated[Any, Meta(extra_json_schema={"$ref": "#/components/schemas/Session"})]
    subscription: Annotated[Any, _or_null("Subscription")]
    unread_count: int | None
    missing: list[Literal["user", "subscription", "unreadCount"]]


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the route of /v1/me."""

    @Description(name="getMe", answers=(Me,), security=("session", "bearer"))
    async def me(request: Request) -> Response:
        """Read the caller's user, session, subscription and unread count in one request.

        A part whose service fails is null, and `missing` names it. A user without a subscription has null there too.
        """
        found = await session_of(request, deps)
        if found is None:
            raise ApiError(NOT_SIGNED_IN, "sign in first: a session cookie or bearer token")
        user, subscription, unread = await asyncio.gather(
            _part(deps.reader.profile(found.user.id)),
            _part(deps.reader.subscription(found.user.id)),
            _part(deps.reader.unread(found)),
        )
        parts = {"user": user, "session": found.session, "subscription": subscription, "unreadCount": unread}
        missing = [name for name, part in parts.items() if part is None]
        body = {name: _shown(part) for name, part in parts.items()} | {"missing": missing}
        return answer_to(request.scope, msgspec.json.encode(body))

    return [Route("/v1/me", me, methods=["GET"])]


async def _part(work: Awaitable[T]) -> T | None:
    """Return a part, or None if its service fails or takes too long."""
    try:
        async with asyncio.timeout(PART_SECONDS):
            return await work
    except (grpc.aio.AioRpcError, TimeoutError):
        return None


def _shown(part: Message | int | None) -> Any:
    """Return a part as JSON. An empty message is null."""
    if not isinstance(part, Message):
        return part
    return converter(part.DESCRIPTOR)(part) if part.ByteSize() else None
