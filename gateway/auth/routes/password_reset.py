"""Password resets by mailed links."""

import msgspec
from msgspec import UNSET, UnsetType, field
from starlette.responses import Response

from gateway.auth.protocol.context import AuthContext
from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.limits import MAILING
from gateway.auth.protocol.mailed_links import INVALID_TOKEN, broken_links, minimum_time, refusing
from gateway.auth.protocol.redirects import absolute, redirect
from gateway.auth.protocol.refusals import USER_NOT_FOUND, ErrorCode, refuse
from gateway.auth.protocol.validation import Email, Query
from gateway.auth.routes.email_password import PASSWORD_TOO_SHORT
from gateway.http.description import DONE, Description, Done
from gateway.http.link_target import origin_of
from trivet.identity.v1.verification_service_pb2 import (
    CheckPasswordResetRequest,
    RequestPasswordResetRequest,
    ResetPasswordRequest,
)

RESET_PASSWORD_DISABLED = ErrorCode("RESET_PASSWORD_DISABLED", 400, "Reset password isn't enabled")
BROKEN_LINKS = broken_links(400, INVALID_TOKEN, USER_NOT_FOUND)


class RequestReset(msgspec.Struct):
    """The body of /request-password-reset."""

    email: Email
    redirect_to: str | UnsetType = field(name="redirectTo", default=UNSET)


class ResetRequested(msgspec.Struct):
    """The same for every address."""

    status: bool
    message: str


SENT = ResetRequested(status=True, message="If this email exists in our system, check your email for the reset link")


@Description(answers=(ResetRequested,), calls=("VerificationService.RequestPasswordReset",))
async def request_reset(context: AuthContext, body: RequestReset) -> Response:
    """Send a mail that resets the password. The answer is the same for every address."""
    request = RequestPasswordResetRequest(email=body.email, redirect_url=body.redirect_to or "")
    async with minimum_time():
        await context.deps.backends.verification.RequestPasswordReset(request)
    return context.json(SENT)


class FollowReset(Query):
    """The query of the link in a reset's mail."""

    callback_url: str = field(name="callbackURL")


@Description(name="authFollowPasswordReset", redirects=True, calls=("VerificationService.CheckPasswordReset",))
async def follow_reset(context: AuthContext, query: FollowReset) -> Response:
    """Follow the link of a reset mail. The browser is sent on with `?token=`, or with `?error=INVALID_TOKEN`."""
    token, base_url = context.parameters["token"], context.deps.settings.base_url
    if not query.callback_url:
        return redirect(f"{base_url.rstrip('/')}/api/auth/error?error=INVALID_TOKEN")
    answer = await context.deps.backends.verification.CheckPasswordReset(CheckPasswordResetRequest(token=token))
    put = {"token": token} if answer.valid else {"error": "INVALID_TOKEN"}
    return redirect(absolute(query.callback_url, origin_of(base_url), **put))


class ResetPassword(msgspec.Struct):
    """The body of /reset-password. The token can be in the query instead."""

    new_password: str = field(name="newPassword")
    token: str | UnsetType = UNSET


class ResetToken(msgspec.Struct):
    """The query of /reset-password, where the token can be instead of in the body."""

    token: str | UnsetType = UNSET


@Description(
    answers=(Done,),
    query=ResetToken,
    calls=("VerificationService.ResetPassword",),
)
async def reset_password(context: AuthContext, body: ResetPassword) -> Response:
    """Set a new password by the token of a mailed link. All of the user's sessions end."""
    token = body.token or context.request.query_params.get("token", "")
    if not token:
        raise refuse(BROKEN_LINKS["INVALID_TOKEN"])
    if not body.new_password:
        raise refuse(PASSWORD_TOO_SHORT)
    request = ResetPasswordRequest(token=token, new_password=body.new_password, origin=context.session_origin())
    with refusing(BROKEN_LINKS):
        await context.deps.backends.verification.ResetPassword(request)
    return context.json(DONE)


FEATURE = Feature(
    endpoints=(
        Endpoint("POST", "/request-password-reset", request_reset, RequestReset, limit=MAILING, mailed_field="email"),
        Endpoint("GET", "/reset-password/:token", follow_reset, FollowReset),
        Endpoint("POST", "/reset-password", reset_password, ResetPassword),
    ),
    error_codes={"INVALID_TOKEN": INVALID_TOKEN, "RESET_PASSWORD_DISABLED": RESET_PASSWORD_DISABLED},
)
