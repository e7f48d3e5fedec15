"""Verification and change of email addresses by mailed links."""

from contextlib import nullcontext
from typing import Annotated, Any

import grpc
import msgspec
from msgspec import UNSET, Meta, UnsetType, field
from starlette.responses import Response

from gateway.auth.protocol.context import AuthContext
from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.guards import confirmed, slide
from gateway.auth.protocol.limits import MAILING, SENSITIVE
from gateway.auth.protocol.mailed_links import (
    INVALID_TOKEN,
    INVALID_USER,
    TOKEN_EXPIRED,
    broken_links,
    minimum_time,
    refusing,
)
from gateway.auth.protocol.redirects import redirect, with_query
from gateway.auth.protocol.refusals import USER_NOT_FOUND, ErrorCode, Refusal, refuse
from gateway.auth.protocol.validation import Email, Query
from gateway.http.description import DONE, Description, Done
from gateway.sessions.reader import SignedIn
from gateway.sessions.request_session import session_of
from gateway.sessions.wire_objects import user_object
from trivet.client import reason_of
from trivet.identity.v1.verification_service_pb2 import (
    VERIFY_EMAIL_OUTCOME_CHANGE_CONFIRMED,
    VERIFY_EMAIL_OUTCOME_CHANGED,
    VERIFY_EMAIL_OUTCOME_VERIFIED,
    RequestEmailChangeRequest,
    SendVerificationEmailRequest,
    VerifyEmailRequest,
    VerifyEmailResponse,
)

CHANGE_EMAIL_DISABLED = ErrorCode("CHANGE_EMAIL_DISABLED", 400, "Change email is disabled")
EMAIL_ALREADY_VERIFIED = ErrorCode("EMAIL_ALREADY_VERIFIED", 400, "Email is already verified")
EMAIL_MISMATCH = ErrorCode("EMAIL_MISMATCH", 400, "Email mismatch")
BROKEN_LINKS = broken_links(401, INVALID_TOKEN, INVALID_USER, TOKEN_EXPIRED, USER_NOT_FOUND)


class SendVerification(msgspec.Struct):
    """The body of /send-verification-email."""

    email: Email
    callback_url: str | UnsetType = field(name="callbackURL", default=UNSET)


@Description(answers=(Done,), calls=("VerificationService.SendVerificationEmail",), reads_session=True)
async def send_verification(context: AuthContext, body: SendVerification) -> Response:
    """Send a verification mail. Without a session the answer is the same for every address."""
    me = await _caller(context)
    request = SendVerificationEmailRequest(
        email=body.email, callback_url=body.callback_url or "", user_id=me.user.id if me else ""
    )
    async with minimum_time() if me is None else nullcontext():
        await context.deps.backends.verification.SendVerificationEmail(request)
    return context.json(DONE)


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
    signs_in=True,
    reads_session=True,
)
async def verify_email(context: AuthContext, query: VerifyEmail) -> Response:
    """Verify an email address, or a change of it, by the token of a mailed link."""
    callback_url, me = query.callback_url or "", await _caller(context)
    remember = not context.cookies.is_not_remembered(context.request)
    request = VerifyEmailRequest(
        token=query.token,
        callback_url=callback_url,
        session_user_id=me.user.id if me else "",
        origin=context.session_origin(remember=remember),
    )
    try:
        if not query.token:
            raise refuse(BROKEN_LINKS["INVALID_TOKEN"])
        with refusing(BROKEN_LINKS):
            answer = await context.deps.backends.verification.VerifyEmail(request)
    except Refusal as refusal:
        if not callback_url or refusal.status != 401:
            raise
        return redirect(with_query(callback_url, error=refusal.code or ""))
    _sign_in(context, me, answer, remember=remember)
    if callback_url:
        return redirect(callback_url)
    if answer.outcome == VERIFY_EMAIL_OUTCOME_CHANGED:
        return context.json(VerifiedEmail(status=True, user=user_object(answer.user)))
    is_verification = answer.outcome != VERIFY_EMAIL_OUTCOME_CHANGE_CONFIRMED
    return context.json(VerifiedEmail(status=True, user=None if is_verification else UNSET))


def _sign_in(context: AuthContext, me: SignedIn | None, answer: VerifyEmailResponse, *, remember: bool) -> None:
    """Set the cookies of the session that the link opened, or renew the caller's if its user changed."""
    if answer.token:
        context.open_session(answer.session, answer.token, user=answer.user, remember=remember)
    elif me is not None and me.user.id == answer.user.id and _changes_session_user(answer):
        context.open_session(me.session, me.token, user=answer.user, remember=remember)


def _changes_session_user(answer: VerifyEmailResponse) -> bool:
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
async def change_email(context: AuthContext, body: ChangeEmail) -> Response:
    """Begin a change of the caller's email address. The answer is the same for an address that is taken."""
    me = context.caller
    request = RequestEmailChangeRequest(
        user_id=me.user.id, new_email=body.new_email, callback_url=body.callback_url or ""
    )
    try:
        with me.acting():
            await context.deps.backends.verification.RequestEmailChange(request)
    except grpc.aio.AioRpcError as error:
        if reason_of(error) == "EMAIL_IS_THE_SAME":
            raise Refusal(400, "Email is the same") from None
        raise
    return context.json(DONE)


async def _caller(context: AuthContext) -> SignedIn | None:
    """Return the caller if there is a live session."""
    found = await session_of(context.request, context.deps)
    return await slide(context, found) if found else None


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
    ),
    error_codes={
        "CHANGE_EMAIL_DISABLED": CHANGE_EMAIL_DISABLED,
        "EMAIL_ALREADY_VERIFIED": EMAIL_ALREADY_VERIFIED,
        "EMAIL_MISMATCH": EMAIL_MISMATCH,
        "INVALID_TOKEN": INVALID_TOKEN,
    },
)
