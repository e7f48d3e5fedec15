"""Who may use an endpoint: somebody with a live session, one that the store has just confirmed, or a fresh one."""

from collections.abc import Awaitable, Callable

import grpc

from gateway.auth.protocol.context import Visit
from gateway.auth.protocol.refusals import UNAUTHORIZED, ErrorCode, refuse
from gateway.sessions.reader import SignedIn
from gateway.sessions.request_session import session_of
from identity_rules.freshness import is_fresh
from runtime.clock import from_timestamp, utc_now

SESSION_NOT_FRESH = ErrorCode("SESSION_NOT_FRESH", 403, "Session is not fresh")

Guard = Callable[[Visit], Awaitable[None]]


async def anybody(visit: Visit) -> None:
    """Everybody may."""


async def signed_in(visit: Visit) -> None:
    """Whoever has a live session, which is slid if its time has come. Raises Refusal."""
    await _admit(visit, authoritative=False)


async def confirmed(visit: Visit) -> None:
    """Whoever has a session that identity confirms now, whatever a cache holds. Raises Refusal."""
    await _admit(visit, authoritative=True)


async def fresh(visit: Visit) -> None:
    """Whoever signed in within the last day. Raises Refusal."""
    await _admit(visit, authoritative=False)
    if not is_fresh(from_timestamp(visit.known.session.create_time), utc_now()):
        raise refuse(SESSION_NOT_FRESH)


async def _admit(visit: Visit, *, authoritative: bool) -> None:
    found = await session_of(visit.request, visit.deps, authoritative=authoritative)
    slid = await slide(visit, found) if found else None
    if slid is None:
        raise refuse(UNAUTHORIZED)
    visit.signed_in = slid
    visit.keep_data(slid, always=authoritative)


async def slide(visit: Visit, found: SignedIn) -> SignedIn | None:
    """Move the session's end if it is due and the browser may remember; None if the session has ended meanwhile."""
    if not visit.deps.reads.is_due(found) or visit.cookies.is_not_remembered(visit.request):
        return found
    try:
        moved, by_us = await visit.deps.reads.refresh(found.token)
    except grpc.aio.AioRpcError as error:
        # The session is good whether or not its end can be moved now.
        return None if error.code() is grpc.StatusCode.NOT_FOUND else found
    if by_us:
        visit.open(moved.session, found.token, user=moved.user, remember=True)
    return moved
