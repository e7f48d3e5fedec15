"""Guards: which session an endpoint needs. A guard sets the context's `signed_in`, or raises Refusal."""

from collections.abc import Awaitable, Callable

import grpc

from gateway.auth.protocol.context import AuthContext
from gateway.auth.protocol.refusals import UNAUTHORIZED, ErrorCode, refuse
from gateway.sessions.reader import SignedIn
from gateway.sessions.request_session import session_of
from identity_rules.freshness import is_fresh
from runtime.clock import from_timestamp, utc_now

SESSION_NOT_FRESH = ErrorCode("SESSION_NOT_FRESH", 403, "Session is not fresh")

Guard = Callable[[AuthContext], Awaitable[None]]


async def public(context: AuthContext) -> None:
    """Need no session."""


async def signed_in(context: AuthContext) -> None:
    """Need a live session. Its end is moved if that is due."""
    await _admit(context, authoritative=False)


async def confirmed(context: AuthContext) -> None:
    """Need a session that identity confirms. No cache is read."""
    await _admit(context, authoritative=True)


async def fresh(context: AuthContext) -> None:
    """Need a session that was opened within the last day."""
    await _admit(context, authoritative=False)
    if not is_fresh(from_timestamp(context.caller.session.create_time), utc_now()):
        raise refuse(SESSION_NOT_FRESH)


async def _admit(context: AuthContext, *, authoritative: bool) -> None:
    found = await session_of(context.request, context.deps, authoritative=authoritative)
    slid = await slide(context, found) if found else None
    if slid is None:
        raise refuse(UNAUTHORIZED)
    context.signed_in = slid
    context.renew_cookie_cache(slid, always=authoritative)


async def slide(context: AuthContext, found: SignedIn) -> SignedIn | None:
    """Move the session's end if that is due and the browser keeps its cookie. Returns None if the session has ended."""
    if not context.deps.reader.is_due(found) or context.cookies.is_not_remembered(context.request):
        return found
    try:
        moved, is_by_this_call = await context.deps.reader.refresh(found.token)
    except grpc.aio.AioRpcError as error:
        # The session is valid even if its end cannot be moved now.
        return None if error.code() is grpc.StatusCode.NOT_FOUND else found
    if is_by_this_call:
        context.open_session(moved.session, found.token, user=moved.user, remember=True)
    return moved
