"""SessionService: verifies, refreshes, lists and ends sessions."""

from runtime.clock import timestamp
from runtime.errors import InvalidArgument
from runtime.paging import Page, decode_token, encode_token, page_size
from runtime.rpc.actor import current_actor, subject
from services.identity.messages import Context, decode_additional, decode_cursor, decode_id
from services.identity.sessions.messages import encode_session
from services.identity.sessions.session import Session
from services.identity.sessions.sessions import Sessions
from services.identity.users.custom_fields import fields_of_sessions
from services.identity.users.messages import encode_user
from trivet.identity.v1.session_service_pb2 import (
    ListSessionsRequest,
    ListSessionsResponse,
    RefreshSessionRequest,
    RefreshSessionResponse,
    RevokeAllSessionsRequest,
    RevokeAllSessionsResponse,
    RevokeOtherSessionsRequest,
    RevokeOtherSessionsResponse,
    RevokeSessionRequest,
    RevokeSessionResponse,
    UpdateSessionRequest,
    UpdateSessionResponse,
    VerifySessionRequest,
    VerifySessionResponse,
)
from trivet.identity.v1.session_service_pb2_grpc import SessionServiceServicer

DEFAULT_PAGE_SIZE = 100


class SessionServicer(SessionServiceServicer):
    def __init__(self, store: Sessions) -> None:
        self._sessions = store

    async def VerifySession(self, request: VerifySessionRequest, context: Context) -> VerifySessionResponse:
        found = await self._sessions.verify(request.token)
        return VerifySessionResponse(
            session=encode_session(found.session),
            user=encode_user(found.user),
            slide_time=timestamp(found.slides_at),
        )

    async def RefreshSession(self, request: RefreshSessionRequest, context: Context) -> RefreshSessionResponse:
        found, refreshed = await self._sessions.refresh(request.token)
        return RefreshSessionResponse(
            session=encode_session(found.session),
            user=encode_user(found.user),
            slide_time=timestamp(found.slides_at),
            refreshed=refreshed,
        )

    async def UpdateSession(self, request: UpdateSessionRequest, context: Context) -> UpdateSessionResponse:
        user_id = decode_id(subject(request.user_id))
        session_id = decode_id(request.session_id or current_actor.get().session_id)
        additional = decode_additional(request.additional, fields_of_sessions, "additional")
        if not additional:
            raise InvalidArgument("NO_FIELDS_TO_UPDATE", "No fields to update", field="additional")
        changed = await self._sessions.update(user_id, session_id, additional)
        return UpdateSessionResponse(session=encode_session(changed))

    async def ListSessions(self, request: ListSessionsRequest, context: Context) -> ListSessionsResponse:
        user_id = decode_id(subject(request.user_id))
        limit = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_PAGE_SIZE)
        after = decode_cursor(decode_token(request.page_token, "sessions", user_id))
        page = Page(limit, encode_session)

        async def find(few: int, behind: Session | None) -> list[Session]:
            return await self._sessions.list(user_id, few, (behind.created_at, behind.id) if behind else after)

        await page.read(find)
        last = page.next_after
        token = encode_token([last.created_at.isoformat(), last.id], "sessions", user_id) if last else ""
        return ListSessionsResponse(sessions=page.messages, next_page_token=token)

    async def RevokeSession(self, request: RevokeSessionRequest, context: Context) -> RevokeSessionResponse:
        user_id = decode_id(subject(request.user_id))
        if bool(request.session_id) == bool(request.token):
            raise InvalidArgument("ONE_OF_REQUIRED", "give exactly one of session_id and token", field="session_id")
        session_id = decode_id(request.session_id) if request.session_id else ""
        ended = await self._sessions.revoke(user_id, session_id=session_id, token=request.token)
        return RevokeSessionResponse(revoked=ended.count > 0, confirmed=ended.confirmed)

    async def RevokeOtherSessions(
        self, request: RevokeOtherSessionsRequest, context: Context
    ) -> RevokeOtherSessionsResponse:
        user_id = decode_id(subject(request.user_id))
        keep = request.keep_session_id or current_actor.get().session_id
        if not keep:
            raise InvalidArgument(
                "REQUIRED_FIELD_MISSING",
                "keep_session_id is required if the caller has no session",
                field="keep_session_id",
            )
        ended = await self._sessions.revoke_others(user_id, decode_id(keep))
        return RevokeOtherSessionsResponse(revoked_count=ended.count, confirmed=ended.confirmed)

    async def RevokeAllSessions(self, request: RevokeAllSessionsRequest, context: Context) -> RevokeAllSessionsResponse:
        user_id = decode_id(subject(request.user_id))
        ended = await self._sessions.revoke_all(user_id)
        return RevokeAllSessionsResponse(revoked_count=ended.count, confirmed=ended.confirmed)
