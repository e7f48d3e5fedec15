"""GET /v1/me: what a front end wants to know of who is signed in, in one request."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import grpc
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.deps import Deps
from gateway.errors import Refused
from gateway.json_out import converter
from gateway.reads import SignedIn, profile_of, session_of
from trivet.notifications.v1.notification_service_pb2 import CountUnreadRequest

PART_SECONDS = 1.0
"""How long one part may take: a slow service costs its own part, not the answer."""

T = TypeVar("T")


def routes(deps: Deps) -> list[BaseRoute]:
    """Return the one route."""

    async def me(request: Request) -> Response:
        """Answer user, session and unread count; a part whose service is down is null and named in `missing`."""
        found = await session_of(request, deps)
        if found is None:
            raise Refused("UNAUTHENTICATED", "NOT_SIGNED_IN", "sign in first: a session cookie or bearer token")
        user, unread = await asyncio.gather(_part(profile_of(found.user.id, deps)), _part(_unread(found, deps)))
        parts = {
            "user": None if user is None else converter(user.DESCRIPTOR)(user),
            "session": converter(found.session.DESCRIPTOR)(found.session),
            "unreadCount": unread,
        }
        return _json(parts | {"missing": [name for name, part in parts.items() if part is None]})

    return [Route("/v1/me", me, methods=["GET"])]


async def _part(work: Awaitable[T]) -> T | None:
    """Return a part, or None if its service fails or takes too long."""
    try:
        async with asyncio.timeout(PART_SECONDS):
            return await work
    except (grpc.aio.AioRpcError, TimeoutError):
        return None


async def _unread(found: SignedIn, deps: Deps) -> int:
    with found.acting():
        answer = await deps.backends.notifications.CountUnread(CountUnreadRequest())
    return answer.unread_count


def _json(value: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
