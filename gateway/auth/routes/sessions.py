"""Reading, listing and ending sessions."""

import grpc
import msgspec
from starlette.responses import Response

from gateway.auth.protocol.context import Visit
from gateway.auth.protocol.custom_fields import changed_values
from gateway.auth.protocol.guards import slide
from gateway.auth.protocol.refusals import Refusal, refuse
from gateway.auth.protocol.validation import Anything, Record
from gateway.paging import whole
from gateway.sessions.cookies import TOKEN
from gateway.sessions.reader import session_of
from gateway.sessions.wire_objects import session_object, user_object
from trivet.identity.v1.session_service_pb2 import (
    ListSessionsRequest,
    RevokeAllSessionsRequest,
    RevokeOtherSessionsRequest,
    RevokeSessionRequest,
    UpdateSessionRequest,
)

MAX_LISTED = 1_000
DONE = {"status": True}


async def get_session(visit: Visit, _: Anything) -> Response:
    """Answer the session and its user, or null; a token of ours that opens nothing any more is taken back."""
    found = await session_of(visit.request, visit.deps)
    if found is None:
        if visit.cookies.token_of(visit.request):
            visit.close()
        return visit.json(None)
    if not visit.asks("disableRefresh"):
        slid = await slide(visit, found)
        if slid is None:
            visit.close()
            return visit.json(None, status=401)
        found = slid
        visit.keep_data(found, always=visit.asks("disableCookieCache"))
    return visit.json({"session": session_object(found.session, found.token), "user": user_object(found.user)})


async def post_session(_visit: Visit, _: Anything) -> Response:
    """Refuse: a POST would do the write that a deferred refresh leaves undone, and ours are never deferred."""
    raise refuse("METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED")


async def list_sessions(visit: Visit, _: Anything) -> Response:
    """Answer the caller's active sessions, oldest first, the newest thousand if there are more."""
    me, sessions = visit.known, visit.deps.backends.sessions
    with me.acting():
        newest_first = await whole(
            lambda token: sessions.ListSessions(ListSessionsRequest(page_size=MAX_LISTED, page_token=token)),
            lambda page: page.sessions,
            most=MAX_LISTED,
        )
    return visit.json(
        [
            session_object(session, me.token if session.id == me.session.id else session.id)
            for session in reversed(newest_first)
        ]
    )


class UpdateSession(Record):
    """The body of /update-session: fields that the settings declare; whatever else it holds is ignored."""


async def update_session(visit: Visit, _: UpdateSession) -> Response:
    """Change the session's additional fields, and answer the session."""
    additional = changed_values(visit.deps.settings.session_fields, visit.body)
    if additional is None:
        raise Refusal(400, "No fields to update")
    me = visit.known
    try:
        with me.acting():
            request = UpdateSessionRequest(session_id=me.session.id, additional=additional)
            answer = await visit.deps.backends.sessions.UpdateSession(request)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        visit.close()
        raise refuse("FAILED_TO_GET_SESSION") from None
    remember = not visit.cookies.is_not_remembered(visit.request)
    visit.open(answer.session, me.token, user=me.user, remember=remember)
    return visit.json({"session": session_object(answer.session, me.token)})


class RevokeSession(msgspec.Struct):
    """The body of /revoke-session: what list-sessions gave as the token, or a real one."""

    token: str


async def revoke_session(visit: Visit, body: RevokeSession) -> Response:
    """End one of the caller's sessions; one that is unknown or another's is no error."""
    me, sessions = visit.known, visit.deps.backends.sessions
    if body.token in (me.token, me.session.id):
        with me.acting():
            await sessions.RevokeSession(RevokeSessionRequest(session_id=me.session.id))
        visit.close()
    elif TOKEN.fullmatch(body.token):  # ids and tokens look alike
        with me.acting():
            by_id = await sessions.RevokeSession(RevokeSessionRequest(session_id=body.token))
            if not by_id.revoked:
                await sessions.RevokeSession(RevokeSessionRequest(token=body.token))
    return visit.json(DONE)


async def revoke_sessions(visit: Visit, _: Anything) -> Response:
    with visit.known.acting():
        await visit.deps.backends.sessions.RevokeAllSessions(RevokeAllSessionsRequest())
    visit.close()
    return visit.json(DONE)


async def revoke_other_sessions(visit: Visit, _: Anything) -> Response:
    me = visit.known
    with me.acting():
        await visit.deps.backends.sessions.RevokeOtherSessions(
            RevokeOtherSessionsRequest(keep_session_id=me.session.id)
        )
    return visit.json(DONE)
