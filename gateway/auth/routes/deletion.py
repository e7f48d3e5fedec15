"""Deletion of the caller's own account, at once or by a mailed link."""

from typing import Literal

import grpc
import msgspec
from msgspec import UNSET, UnsetType, field
from starlette.responses import Response

from gateway.auth.protocol.bodies import JSON
from gateway.auth.protocol.context import AuthContext
from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.guards import confirmed
from gateway.auth.protocol.mailed_links import INVALID_TOKEN
from gateway.auth.protocol.redirects import redirect
from gateway.auth.protocol.refusals import NOT_FOUND, ErrorCode, refuse
from gateway.auth.protocol.validation import Query
from gateway.http.description import Description
from gateway.sessions.reader import SignedIn
from gateway.sessions.request_session import session_of
from trivet.client import reason_of
from trivet.identity.v1.verification_service_pb2 import DeleteUserWithTokenRequest, RequestUserDeletionRequest

DISABLED = "DELETE_USER_DISABLED"
UNKNOWN = "-"

FAILED_TO_GET_USER_INFO = ErrorCode("FAILED_TO_GET_USER_INFO", 404, "Failed to get user info")
LAST_ADMIN = ErrorCode(
    "LAST_ADMIN", 400, "The last administrator cannot be deleted. Make another user an administrator first."
)


class Deletion(msgspec.Struct):
    """What was done: the user was deleted, or a mail was sent whose link deletes the user."""

    success: bool
    message: Literal["User deleted", "Verification email sent"]


DELETED = Deletion(success=True, message="User deleted")
MAILED = Deletion(success=True, message="Verification email sent")


class DeleteUser(msgspec.Struct):
    """The body of /delete-user."""

    callback_url: str | UnsetType = field(name="callbackURL", default=UNSET)
    password: str | UnsetType = UNSET
    token: str | UnsetType = UNSET


@Description(
    answers=(Deletion,),
    calls=("VerificationService.RequestUserDeletion", "VerificationService.DeleteUserWithToken"),
    without_body={404: "The answer has no body if users cannot delete their own account here."},
)
async def delete_user(context: AuthContext, body: DeleteUser) -> Response:
    """Delete the caller's account, or mail a link for that. It takes a password, a mailed token or a fresh session."""
    me, password = context.caller, body.password or ""
    if password:
        await context.count_password_attempt(me.user.id)
    try:
        if body.token:
            await _delete(context, me, body.token, password)
        elif not await _request(context, me, password, body.callback_url or ""):
            return context.json(MAILED)
    except grpc.aio.AioRpcError as error:
        if reason_of(error) == DISABLED:
            return Response(status_code=404, media_type=JSON)
        raise
    context.close_session()
    return context.json(DELETED)


class Callback(Query):
    """The query of the link in the mail."""

    token: str
    callback_url: str | UnsetType = field(name="callbackURL", default=UNSET)


@Description(
    answers=(Deletion,),
    redirects=True,
    calls=("VerificationService.DeleteUserWithToken",),
    reads_session=True,
)
async def callback(context: AuthContext, query: Callback) -> Response:
    """Delete the caller's account by the token of a mailed link."""
    me = await session_of(context.request, context.deps, authoritative=True)
    try:
        if me is None:
            await _refuse_without_session(context)
        else:
            await _delete(context, me, query.token, "")
    except grpc.aio.AioRpcError as error:
        if reason_of(error) == DISABLED:
            raise refuse(NOT_FOUND) from None
        raise
    context.close_session()
    return redirect(query.callback_url) if query.callback_url else context.json(DELETED)


async def _refuse_without_session(context: AuthContext) -> None:
    """Refuse a caller without a session. If deletion is disabled, which identity decides, that is the refusal."""
    request = DeleteUserWithTokenRequest(user_id=UNKNOWN, token=UNKNOWN)
    try:
        await context.deps.backends.verification.DeleteUserWithToken(request)
    except grpc.aio.AioRpcError as error:
        if reason_of(error) != "INVALID_TOKEN":
            raise
    raise refuse(FAILED_TO_GET_USER_INFO)


async def _request(context: AuthContext, me: SignedIn, password: str, callback_url: str) -> bool:
    """Return whether the user was deleted. Otherwise a mail was sent."""
    request = RequestUserDeletionRequest(user_id=me.user.id, password=password, callback_url=callback_url)
    with me.acting():
        return (await context.deps.backends.verification.RequestUserDeletion(request)).deleted


async def _delete(context: AuthContext, me: SignedIn, token: str, password: str) -> None:
    if not token:
        raise refuse(INVALID_TOKEN)
    request = DeleteUserWithTokenRequest(user_id=me.user.id, token=token, password=password)
    with me.acting():
        await context.deps.backends.verification.DeleteUserWithToken(request)


FEATURE = Feature(
    endpoints=(
        Endpoint("POST", "/delete-user", delete_user, DeleteUser, confirmed),
        Endpoint("GET", "/delete-user/callback", callback, Callback),
    ),
    error_codes={"LAST_ADMIN": LAST_ADMIN},
)
