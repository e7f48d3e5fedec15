"""What is proved by mail: addresses, and that whoever has forgotten a password reads the account's mail."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Annotated, Any

import grpc
import msgspec
from msgspec import UNSET, Meta, UnsetType, field
from starlette.responses import Response

from gateway.auth.protocol.context import Visit
from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.guards import confirmed, slide
from gateway.auth.protocol.limits import MAILING, SENSITIVE
from gateway.auth.protocol.redirects import absolute, redirect, with_query
from gateway.auth.protocol.refusals import USER_NOT_FOUND, ErrorCode, Refusal, refuse
from gateway.auth.protocol.validation import EMAIL_PATTERN, Query
from gateway.auth.routes.email_password import PASSWORD_TOO_SHORT
from gateway.http.description import DONE, Description, Done
from gateway.http.link_target import origin_of
from gateway.sessions.reader import SignedIn
from gateway.sessions.request_session import session_of
from gateway.sessions.wire_objects import user_object
from trivet.client import reason_of
from trivet.identity.v1.account_service_pb2 import (
    VERIFY_EMAIL_OUTCOME_CHANGE_CONFIRMED,
    VERIFY_EMAIL_OUTCOME_CHANGED,
    VERIFY_EMAIL_OUTCOME_VERIFIED,
    CheckPasswordResetRequest,
    RequestEmailChangeRequest,
    RequestPasswordResetRequest,
    ResetPasswordRequest,
    SendVerificationEmailRequest,
    VerifyEmailRequest,
    VerifyEmailResponse,
)

FLOOR_SECONDS = 0.5
"""What an answer takes at least whose time might tell whether an address is anybody's."""
CHANGE_EMAIL_DISABLED = ErrorCode("CHANGE_EMAIL_DISABLED", 400, "Change email is disabled")
EMAIL_ALREADY_VERIFIED = ErrorCode("EMAIL_ALREADY_VERIFIED", 400, "Email is already verified")
EMAIL_MISMATCH = ErrorCode("EMAIL_MISMATCH", 400, "Email mismatch")
INVALID_TOKEN = ErrorCode("INVALID_TOKEN", 404, "Invalid token")
RESET_PASSWORD_DISABLED = ErrorCode("RESET_PASSWORD_DISABLED", 400, "Reset password isn't enabled")
BROKEN_LINKS: Mapping[str, ErrorCode] = {
    "INVALID_TOKEN": INVALID_TOKEN,
    "INVALID_USER": ErrorCode("INVALID_USER", 401, "Invalid user"),
    "TOKEN_EXPIRED": ErrorCode("TOKEN_EXPIRED", 401, "Token expired"),
    "USER_NOT_FOUND": USER_NOT_FOUND,
}
"""Error codes by identity's reason for a link that is not valid. Their status depends on the route."""

Email = Annotated[str, Meta(pattern=EMAIL_PATTERN)]


class SendVerification(msgspec.Struct):
    """The body of /send-verification-email."""

    email: Email
    callback_url: str | UnsetType = field(name="callbackURL", default=UNSET)


@Description(answers=(Done,), calls=("VerificationService.SendVerificationEmail",), reads_session=True)
async def send_verification(visit: Visit, body: SendVerification) -> Response:
    """Send a verification mail. Without a session the answer is the same for every address."""
    me = await _visitor(visit)
    request = SendVerificationEmailRequest(
        email=body.email, callback_url=body.callback_url or "", user_id=me.user.id if me else ""
    )
    async with _never_faster() if me is None else nullcontext():
        await visit.deps.backends.verification.SendVerificationEmail(request)
    return visit.json(DONE)


class VerifyEmail(Query):
    """The query of /verify-email."""

    token: str
    callback_url: str | UnsetType = field(name="callbackURL", default=UNSET)


UserAnswerOrNull = Annotated[
    Any, Meta(extra_json_schema={"anyOf": [{"$ref": "#/components/schemas/AuthUser"}, {"type": "null"}]})
]


class VerifiedEmail(msgspec.Struct):
    """The address is proved. `user` is the user if the address has changed, and null if it was the first proof."""

    status: bool
    user: UserAnswerOrNull = UNSET


@Description(
    answers=(VerifiedEmail,),
    redirects=True,
    calls=("VerificationService.VerifyEmail",),
    refuses={"INVALID_TOKEN": 401, "TOKEN_EXPIRED": 401, "USER_NOT_FOUND": 401, "INVALID_USER": 401},
    signs_in=True,
    reads_session=True,
)
async def verify_email(visit: Visit, query: VerifyEmail) -> Response:
    """Verify an email address, or a change of it, by the token of a mailed link."""
    callback_url, me = query.callback_url or "", await _visitor(visit)
    remember = not visit.cookies.is_not_remembered(visit.request)
    request = VerifyEmailRequest(
        token=query.token,
        callback_url=callback_url,
        session_user_id=me.user.id if me else "",
        origin=visit.origin(remember=remember),
    )
    try:
        if not query.token:
            raise refuse(INVALID_TOKEN, status=401)
        with _broken_links_as(401):
            answer = await visit.deps.backends.verification.VerifyEmail(request)
    except Refusal as refusal:
        if not callback_url or refusal.status != 401:
            raise
        return redirect(with_query(callback_url, error=refusal.code or ""))
    _sign_in(visit, me, answer, remember=remember)
    if callback_url:
        return redirect(callback_url)
    if answer.outcome == VERIFY_EMAIL_OUTCOME_CHANGED:
        return visit.json(VerifiedEmail(status=True, user=user_object(answer.user)))
    is_verification = answer.outcome != VERIFY_EMAIL_OUTCOME_CHANGE_CONFIRMED
    return visit.json(VerifiedEmail(status=True, user=None if is_verification else UNSET))


def _sign_in(visit: Visit, me: SignedIn | None, answer: VerifyEmailResponse, *, remember: bool) -> None:
    """Keep the session that the link opened; one that is there is kept with what it now says of its user."""
    if answer.token:
        visit.open(answer.session, answer.token, user=answer.user, remember=remember)
    elif me is not None and me.user.id == answer.user.id and _tells_the_session(answer):
        visit.open(me.session, me.token, user=answer.user, remember=remember)


def _tells_the_session(answer: VerifyEmailResponse) -> bool:
    verified = answer.outcome == VERIFY_EMAIL_OUTCOME_VERIFIED and answer.signs_in
    return verified or answer.outcome == VERIFY_EMAIL_OUTCOME_CHANGED


class ChangeEmail(msgspec.Struct):
    """The body of /change-email."""

    new_email: Email = field(name="newEmail")
    callback_url: str | UnsetType = field(name="callbackURL", default=UNSET)


@Description(
    answers=(Done,),
    calls=("VerificationService.RequestEmailChange",),
    without_code={400: "Also without a code, if the new address is the old one."},
)
async def change_email(visit: Visit, body: ChangeEmail) -> Response:
    """Begin a change of the caller's email address. The answer is the same for an address that is taken."""
    me = visit.known
    request = RequestEmailChangeRequest(
        user_id=me.user.id, new_email=body.new_email, callback_url=body.callback_url or ""
    )
    try:
        with me.acting():
            await visit.deps.backends.verification.RequestEmailChange(request)
    except grpc.aio.AioRpcError as error:
        if reason_of(error) == "EMAIL_IS_THE_SAME":
            raise Refusal(400, "Email is the same") from None
        raise
    return visit.json(DONE)


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
async def request_reset(visit: Visit, body: RequestReset) -> Response:
    """Send a mail that resets the password. The answer is the same for every address."""
    request = RequestPasswordResetRequest(email=body.email, redirect_url=body.redirect_to or "")
    async with _never_faster():
        await visit.deps.backends.verification.RequestPasswordReset(request)
    return visit.json(SENT)


class FollowReset(Query):
    """The query of the link in a reset's mail."""

    callback_url: str = field(name="callbackURL")


@Description(name="authFollowPasswordReset", redirects=True, calls=("VerificationService.CheckPasswordReset",))
async def follow_reset(visit: Visit, query: FollowReset) -> Response:
    """Follow the link of a reset mail. The browser is sent on with `?token=`, or with `?error=INVALID_TOKEN`."""
    token, base_url = visit.parameters["token"], visit.deps.settings.base_url
    if not query.callback_url:
        return redirect(f"{base_url.rstrip('/')}/api/auth/error?error=INVALID_TOKEN")
    answer = await visit.deps.backends.verification.CheckPasswordReset(CheckPasswordResetRequest(token=token))
    put = {"token": token} if answer.valid else {"error": "INVALID_TOKEN"}
    return redirect(absolute(query.callback_url, origin_of(base_url), **put))


class ResetPassword(msgspec.Struct):
    """The body of /reset-password; the token may be in the query instead."""

    new_password: str = field(name="newPassword")
    token: str | UnsetType = UNSET


class ResetToken(msgspec.Struct):
    """The query of /reset-password, where the token can be instead of in the body."""

    token: str | UnsetType = UNSET


@Description(
    answers=(Done,),
    query=ResetToken,
    calls=("VerificationService.ResetPassword",),
    refuses={"INVALID_TOKEN": 400, "PASSWORD_TOO_SHORT": 400},
)
async def reset_password(visit: Visit, body: ResetPassword) -> Response:
    """Set a new password by the token of a mailed link. All of the user's sessions end."""
    token = body.token or visit.request.query_params.get("token", "")
    if not token:
        raise refuse(INVALID_TOKEN, status=400)
    if not body.new_password:
        raise refuse(PASSWORD_TOO_SHORT)
    request = ResetPasswordRequest(token=token, new_password=body.new_password, origin=visit.origin())
    with _broken_links_as(400):
        await visit.deps.backends.verification.ResetPassword(request)
    return visit.json(DONE)


async def _visitor(visit: Visit) -> SignedIn | None:
    """Return who is signed in, None if nobody is."""
    found = await session_of(visit.request, visit.deps)
    return await slide(visit, found) if found else None


@asynccontextmanager
async def _never_faster() -> AsyncIterator[None]:
    """Take FLOOR_SECONDS, whatever comes of it: a mail that is on its way costs the machine a little more than none."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        yield
    finally:
        await asyncio.sleep(began + FLOOR_SECONDS - clock())


@contextmanager
def _broken_links_as(status: int) -> Iterator[None]:
    """Refuse with this status what says of a link that it is no good: the protocol's depends on the route."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if (error_code := BROKEN_LINKS.get(reason_of(error))) is not None:
            raise refuse(error_code, status=status) from None
        raise


FEATURE = Feature(
    endpoints=(
        Endpoint("POST", "/change-email", change_email, ChangeEmail, confirmed, SENSITIVE, "newEmail"),
        Endpoint(
            "POST",
            "/send-verification-email",
            send_verification,
            SendVerification,
            limit=MAILING,
            mailed_field="email",
        ),
        Endpoint("GET", "/verify-email", verify_email, VerifyEmail),
        Endpoint("POST", "/request-password-reset", request_reset, RequestReset, limit=MAILING, mailed_field="email"),
        Endpoint("GET", "/reset-password/:token", follow_reset, FollowReset),
        Endpoint("POST", "/reset-password", reset_password, ResetPassword),
    ),
    error_codes={
        "CHANGE_EMAIL_DISABLED": CHANGE_EMAIL_DISABLED,
        "EMAIL_ALREADY_VERIFIED": EMAIL_ALREADY_VERIFIED,
        "EMAIL_MISMATCH": EMAIL_MISMATCH,
        "INVALID_TOKEN": INVALID_TOKEN,
        "RESET_PASSWORD_DISABLED": RESET_PASSWORD_DISABLED,
    },
)
