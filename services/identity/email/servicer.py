"""VerificationService: mailed links, and what they verify or confirm."""

from runtime.rpc.actor import current_actor, subject
from services.identity.actors import deciding_actor
from services.identity.email.messages import encode_link_result
from services.identity.email.policy import EmailRules
from services.identity.email.verification import EmailVerification
from services.identity.messages import Context, decode_id, decode_optional_id, decode_url
from services.identity.passwords.resets import PasswordResets
from services.identity.sessions.messages import decode_origin
from services.identity.users.deletion import UserDeletion
from trivet.identity.v1.verification_service_pb2 import (
    CheckPasswordResetRequest,
    CheckPasswordResetResponse,
    DeleteUserWithTokenRequest,
    DeleteUserWithTokenResponse,
    RequestEmailChangeRequest,
    RequestEmailChangeResponse,
    RequestPasswordResetRequest,
    RequestPasswordResetResponse,
    RequestUserDeletionRequest,
    RequestUserDeletionResponse,
    ResetPasswordRequest,
    ResetPasswordResponse,
    SendVerificationEmailRequest,
    SendVerificationEmailResponse,
    VerifyEmailRequest,
    VerifyEmailResponse,
)
from trivet.identity.v1.verification_service_pb2_grpc import VerificationServiceServicer


class VerificationServicer(VerificationServiceServicer):
    def __init__(
        self, resets: PasswordResets, flows: EmailVerification, deletion: UserDeletion, rules: EmailRules
    ) -> None:
        self._resets = resets
        self._flows = flows
        self._deletion = deletion
        self._rules = rules

    async def RequestPasswordReset(
        self, request: RequestPasswordResetRequest, context: Context
    ) -> RequestPasswordResetResponse:
        await self._resets.request(request.email, decode_url(request.redirect_url, "redirect_url"))
        return RequestPasswordResetResponse()

    async def CheckPasswordReset(
        self, request: CheckPasswordResetRequest, context: Context
    ) -> CheckPasswordResetResponse:
        return CheckPasswordResetResponse(valid=await self._resets.is_valid(request.token))

    async def ResetPassword(self, request: ResetPasswordRequest, context: Context) -> ResetPasswordResponse:
        await self._resets.reset(request.token, request.new_password, decode_origin(request.origin))
        return ResetPasswordResponse()

    async def SendVerificationEmail(
        self, request: SendVerificationEmailRequest, context: Context
    ) -> SendVerificationEmailResponse:
        user_id = decode_optional_id(request.user_id)
        await self._flows.send(request.email, decode_url(request.callback_url, "callback_url"), user_id=user_id)
        return SendVerificationEmailResponse()

    async def VerifyEmail(self, request: VerifyEmailRequest, context: Context) -> VerifyEmailResponse:
        result = await self._flows.follow(
            request.token,
            decode_url(request.callback_url, "callback_url"),
            visitor=decode_optional_id(request.session_user_id),
            origin=decode_origin(request.origin),
        )
        return encode_link_result(result, signs_in=self._rules.auto_sign_in_after_verification)

    async def RequestEmailChange(
        self, request: RequestEmailChangeRequest, context: Context
    ) -> RequestEmailChangeResponse:
        user_id = decode_id(subject(request.user_id))
        callback_url = decode_url(request.callback_url, "callback_url")
        await self._flows.request_change(user_id, request.new_email, callback_url, session_id=_session_of(user_id))
        return RequestEmailChangeResponse()

    async def RequestUserDeletion(
        self, request: RequestUserDeletionRequest, context: Context
    ) -> RequestUserDeletionResponse:
        user_id = decode_id(subject(request.user_id))
        callback_url = decode_url(request.callback_url, "callback_url")
        deleted = await self._deletion.request(
            user_id, request.password, callback_url, actor=deciding_actor(), session_id=_session_of(user_id)
        )
        return RequestUserDeletionResponse(deleted=deleted)

    async def DeleteUserWithToken(
        self, request: DeleteUserWithTokenRequest, context: Context
    ) -> DeleteUserWithTokenResponse:
        user_id = decode_id(subject(request.user_id))
        await self._deletion.delete_with_token(user_id, request.token, request.password, actor=deciding_actor())
        return DeleteUserWithTokenResponse()


def _session_of(user_id: str) -> str | None:
    """Return the caller's session id if the caller is this user, else None."""
    actor = current_actor.get()
    return decode_id(actor.session_id) if actor.user_id == user_id else None
