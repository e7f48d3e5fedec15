"""GET /v1/me: what a front end wants to know of who is signed in, in one request."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import grpc
import msgspec
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.api.json_encoding import converter
from gateway.deps import Deps
from gateway.http.errors import Refused
from gateway.http.etag import answer_to
from gateway.sessions.reader import profile_of, session_of

PART_SECONDS = 1.0
"""How long one part may take: a slow service costs its own part, not the answer."""

T = TypeVar("T")


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the one route."""

    async def me(request: Request) -> Response:
        """Answer user, session, subscription and unread count. A part whose service is down is null, and in `missing`.

        Who has no subscription has null there too, and nothing is missing.
        """
        found = await session_of(request, deps)
        if found is None:
            raise Refused("UNAUTHENTICATED", "NOT_SIGNED_IN", "sign in first: a session cookie or bearer token")
        user, subscription, unread = await asyncio.gather(
            _part(profile_of(found.user.id, deps)),
            _part(deps.reads.subscription(found.user.id)),
            _part(deps.reads.unread(found)),
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
    """Return a part as JSON; an empty message is one that says there is nothing."""
    if not isinstance(part, Message):
        return part
    return converter(part.DESCRIPTOR)(part) if part.ByteSize() else None
