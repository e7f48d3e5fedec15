"""AuthService: sign-up, sign-in, sign-out and passwords."""

from runtime.rpc.actor import current_actor
from services.identity.messages import Context, decode_id, decode_url
from services.identity.passwords.authentication import Authentication
from services.identity.passwords.messages import (
    decode_end_others,
    decode_new_user,
    encode_password_change,
    encode_sign_in,
    encode_sign_up,
)
from services.identity.passwords.sign_up import SignUp
from services.identity.sessions.messages import decode_origin
from services.identity.sessions.sessions import Sessions
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
    def __init__(self, sign_up: SignUp, authentication: Authentication, sessions: Sessions) -> None:
        self._sign_up = sign_up
        self._authentication = authentication
        self._sessions = sessions

    async def SignUp(self, request: SignUpRequest, context: Context) -> SignUpResponse:
        caller, origin = current_actor.get().caller, decode_origin(request.origin)
        result = await self._sign_up.sign_up(
            decode_new_user(request), origin, caller=caller, request_id=request.request_id
        )
        return encode_sign_up(result)

    async def SignIn(self, request: SignInRequest, context: Context) -> SignInResponse:
        origin, callback_url = decode_origin(request.origin), decode_url(request.callback_url, "callback_url")
        result = await self._authentication.sign_in(request.email, request.password, origin, callback_url=callback_url)
        return encode_sign_in(result)

    async def SignOut(self, request: SignOutRequest, context: Context) -> SignOutResponse:
        ended = await self._sessions.sign_out(request.token)
        return SignOutResponse(revoked=ended.count > 0, confirmed=ended.confirmed)

    async def ChangePassword(self, request: ChangePasswordRequest, context: Context) -> ChangePasswordResponse:
        user, opened = await self._authentication.change_password(
            decode_id(request.user_id),
            request.current_password,
            request.new_password,
            end_others=decode_end_others(request),
            keep=decode_id(request.session_id),
            origin=decode_origin(request.origin),
        )
        return encode_password_change(user, opened)

    async def VerifyPassword(self, request: VerifyPasswordRequest, context: Context) -> VerifyPasswordResponse:
        await self._authentication.verify_password(decode_id(request.user_id), request.password)
        return VerifyPasswordResponse()
