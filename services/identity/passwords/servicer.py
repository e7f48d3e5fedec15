"""AuthService: signing up, in and out, and passwords."""

from runtime.rpc.actor import current_actor
from services.identity.messages import Context, decode_additional, decode_id, decode_url
from services.identity.passwords.authentication import Authentication
from services.identity.passwords.sign_up import NewUser, SignUps
from services.identity.sessions.messages import decode_origin, encode_session
from services.identity.sessions.sessions import Sessions
from services.identity.users.custom_fields import merged, of_users
from services.identity.users.messages import decode_image, decode_name, encode_user
from trivet.identity.v1.auth_service_pb2 import (
    ChangePasswordRequest,
    ChangePasswordResponse,
    SignInRequest,
    SignInResponse,
    SignOutRequest,
    SignOutResponse,
    SignUpRequest,
    SignUpResponse,
    VerifyPasswordRequest,
    VerifyPasswordResponse,
)
from trivet.identity.v1.auth_service_pb2_grpc import AuthServiceServicer


class AuthServicer(AuthServiceServicer):
    def __init__(self, sign_ups: SignUps, authentication: Authentication, sessions: Sessions) -> None:
        self._sign_ups = sign_ups
        self._authentication = authentication
        self._sessions = sessions

    async def SignUp(self, request: SignUpRequest, context: Context) -> SignUpResponse:
        image = request.image if request.HasField("image") else None
        signed_up = await self._sign_ups.sign_up(
            NewUser(
                decode_name(request.name, "name"),
                request.email,
                request.password,
                decode_image(image, "image"),
                callback_url=decode_url(request.callback_url, "callback_url"),
                additional=merged(None, decode_additional(request.additional, of_users, "additional")),
            ),
            decode_origin(request.origin),
            caller=current_actor.get().caller,
            request_id=request.request_id,
        )
        user, opened = signed_up.user, signed_up.opened
        if opened is None:
            return SignUpResponse(user=encode_user(user))
        return SignUpResponse(user=encode_user(user), session=encode_session(opened.session), token=opened.token)

    async def SignIn(self, request: SignInRequest, context: Context) -> SignInResponse:
        origin = decode_origin(request.origin)
        callback_url = decode_url(request.callback_url, "callback_url")
        signed_in = await self._authentication.sign_in(
            request.email, request.password, origin, callback_url=callback_url
        )
        user, opened = signed_in.user, signed_in.opened
        return SignInResponse(user=encode_user(user), session=encode_session(opened.session), token=opened.token)

    async def SignOut(self, request: SignOutRequest, context: Context) -> SignOutResponse:
        ended = await self._sessions.sign_out(request.token)
        return SignOutResponse(revoked=ended.count > 0, confirmed=ended.confirmed)

    async def ChangePassword(self, request: ChangePasswordRequest, context: Context) -> ChangePasswordResponse:
        end_others = request.revoke_other_sessions if request.HasField("revoke_other_sessions") else None
        user, opened = await self._authentication.change_password(
            decode_id(request.user_id),
            request.current_password,
            request.new_password,
            end_others=end_others,
            keep=decode_id(request.session_id),
            origin=decode_origin(request.origin),
        )
        if opened is None:
            return ChangePasswordResponse(user=encode_user(user))
        return ChangePasswordResponse(
            user=encode_user(user), session=encode_session(opened.session), token=opened.token
        )

    async def VerifyPassword(self, request: VerifyPasswordRequest, context: Context) -> VerifyPasswordResponse:
        await self._authentication.verify_password(decode_id(request.user_id), request.password)
        return VerifyPasswordResponse()
