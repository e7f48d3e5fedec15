"""Reads, lists and ends sessions."""

import grpc
import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.auth.protocol.context import AuthContext
from gateway.auth.protocol.custom_fields import changed_values
from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.guards import confirmed, fresh, signed_in, slide
from gateway.auth.protocol.refusals import ErrorCode, Refusal, refuse
from gateway.auth.protocol.validation import Anything, Record
from gateway.http.description import DONE, Description, Done, SessionAnswer, UserAnswer
from gateway.paging import read_pages
from gateway.sessions.cookies import TOKEN
from gateway.sessions.request_session import session_of
from gateway.sessions.wire_objects import session_object, user_object
from trivet.identity.v1.session_service_pb2 import (
    ListSessionsRequest,
    RevokeAllSessionsRequest,
    RevokeOtherSessionsRequest,
    RevokeSessionRequest,
    UpdateSessionRequest,
)

MAX_LISTED = 1_000
NEVER_CACHED = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))

FAILED_TO_GET_SESSION = ErrorCode("FAILED_TO_GET_SESSION", 401, "Failed to get session")
REFRESH_NOT_DEFERRED = ErrorCode(
    "METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED",
    405,
    "POST method requires deferSessionRefresh to be enabled in session config",
)


class ReadSession(msgspec.Struct, rename="camel"):
    """The query of GET /get-session; any text is a yes."""

    disable_refresh: str | UnsetType = UNSET
    disable_cookie_cache: str | UnsetType = UNSET


class OpenSession(msgspec.Struct):
    """The session and its user."""

    session: SessionAnswer
    user: UserAnswer


@Description(
    answers=(OpenSession, None),
    answers_by={401: None},
    query=ReadSession,
    reads_session=True,
)
async def get_session(context: AuthContext, _: Anything) -> Response:
    """Read the caller's session and user, or null. A cookie whose session has ended is removed."""
    found = await session_of(context.request, context.deps)
    if found is None:
        if context.cookies.token_of(context.request):
            context.close_session()
        return context.json(None)
    if not context.has_query("disableRefresh"):
        slid = await slide(context, found)
        if slid is None:
            context.close_session()
            return context.json(None, status=401)
        found = slid
        context.renew_cookie_cache(found, always=context.has_query("disableCookieCache"))
    return context.json(OpenSession(session_object(found.session, found.token), user_object(found.user)))


@Description(is_left_out=True)
async def post_session(_context: AuthContext, _: Anything) -> Response:
    """Refuse: a POST does the write of a deferred refresh, and refreshes are never deferred here."""
    raise refuse(REFRESH_NOT_DEFERRED)


@Description(answers=(list[SessionAnswer],), calls=("SessionService.ListSessions",))
async def list_sessions(context: AuthContext, _: Anything) -> Response:
    """List the caller's active sessions, oldest first. The answer has the newest thousand at most."""
    me, sessions = context.caller, context.deps.backends.sessions
    with me.acting():
        newest_first = await read_pages(
            lambda token: sessions.ListSessions(ListSessionsRequest(page_size=MAX_LISTED, page_token=token)),
            lambda page: page.sessions,
            most=MAX_LISTED,
        )
    return context.json(
        [
            session_object(session, me.token if session.id == me.session.id else session.id)
            for session in reversed(newest_first)
        ]
    )


class UpdateSession(Record):
    """The body of /update-session: the additional fields of the settings. Other members are ignored."""


class UpdatedSession(msgspec.Struct):
    """The session after the change."""

    session: SessionAnswer


@Description(
    answers=(UpdatedSession,),
    calls=("SessionService.UpdateSession",),
    without_code={400: "Also without a code, if there is nothing to update."},
)
async def update_session(context: AuthContext, _: UpdateSession) -> Response:
    """Change the session's additional fields."""
    additional = changed_values(context.deps.settings.session_fields, context.body)
    if additional is None:
        raise Refusal(400, "No fields to update")
    me = context.caller
    try:
        with me.acting():
            request = UpdateSessionRequest(session_id=me.session.id, additional=additional)
            answer = await context.deps.backends.sessions.UpdateSession(request)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        context.close_session()
        raise refuse(FAILED_TO_GET_SESSION) from None
    remember = not context.cookies.is_not_remembered(context.request)
    context.open_session(answer.session, me.token, user=me.user, remember=remember)
    return context.json(UpdatedSession(session_object(answer.session, me.token)))


class RevokeSession(msgspec.Struct):
    """The body of /revoke-session: the token of list-sessions, or a real session token."""

    token: str


@Description(answers=(Done,), calls=("SessionService.RevokeSession",))
async def revoke_session(context: AuthContext, body: RevokeSession) -> Response:
    """End one of the caller's sessions. An unknown session is no error."""
    me, sessions = context.caller, context.deps.backends.sessions
    if body.token in (me.token, me.session.id):
        with me.acting():
            await sessions.RevokeSession(RevokeSessionRequest(session_id=me.session.id))
        context.close_session()
    elif TOKEN.fullmatch(body.token):  # an id or a token: both have this form
        with me.acting():
            by_id = await sessions.RevokeSession(RevokeSessionRequest(session_id=body.token))
            if not by_id.revoked:
                await sessions.RevokeSession(RevokeSessionRequest(token=body.token))
    return context.json(DONE)


@Description(answers=(Done,), calls=("SessionService.RevokeAllSessions",))
async def revoke_sessions(context: AuthContext, _: Anything) -> Response:
    """End all of the caller's sessions."""
    with context.caller.acting():
        await context.deps.backends.sessions.RevokeAllSessions(RevokeAllSessionsRequest())
    context.close_session()
    return context.json(DONE)


@Description(answers=(Done,), calls=("SessionService.RevokeOtherSessions",))
async def revoke_other_sessions(context: AuthContext, _: Anything) -> Response:
    """End all sessions of the caller except this one."""
    me = context.caller
    with me.acting():
        await context.deps.backends.sessions.RevokeOtherSessions(
            RevokeOtherSessionsRequest(keep_session_id=me.session.id)
        )
    return context.json(DONE)


GET_SESSION = Endpoint("GET", "/get-session", get_session, Anything, headers=NEVER_CACHED)
FEATURE = Feature(
    endpoints=(
        GET_SESSION,
        Endpoint("POST", "/get-session", post_session, Anything, headers=NEVER_CACHED),
        Endpoint("GET", "/list-sessions", list_sessions, Anything, fresh),
        Endpoint("POST", "/update-session", update_session, UpdateSession, signed_in),
        Endpoint("POST", "/revoke-session", revoke_session, RevokeSession, confirmed),
        Endpoint("POST", "/revoke-sessions", revoke_sessions, Anything, confirmed),
        Endpoint("POST", "/revoke-other-sessions", revoke_other_sessions, Anything, confirmed),
    ),
)
