"""Converts sign-ups, sign-ins and password changes to and from protobuf messages."""

from services.identity.messages import decode_additional, decode_url
from services.identity.passwords.authentication import SignInResult
from services.identity.passwords.sign_up import NewUser, SignUpResult
from services.identity.sessions.messages import encode_session
from services.identity.sessions.session import OpenedSession
from services.identity.users.custom_fields import fields_of_users, merged
from services.identity.users.messages import decode_image, decode_name, encode_user
from services.identity.users.users import User
from trivet.identity.v1.auth_service_pb2 import (
    ChangePasswordRequest,
    ChangePasswordResponse,
    SignInResponse,
    SignUpRequest,
    SignUpResponse,
)


def decode_new_user(request: SignUpRequest) -> NewUser:
    """Return the fields of a sign-up. The email and the password are checked later.

    Raises InvalidArgument (INVALID_NAME, INVALID_IMAGE, INVALID_URL and the reasons of `decode_additional`).
    """
    return NewUser(
        decode_name(request.name, "name"),
        request.email,
        request.password,
        decode_image(request.image if request.HasField("image") else None, "image"),
        callback_url=decode_url(request.callback_url, "callback_url"),
        additional=merged(None, decode_additional(request.additional, fields_of_users, "additional")),
    )


def encode_sign_up(result: SignUpResult) -> SignUpResponse:
    user, opened = encode_user(result.user), result.opened
    if opened is None:
        return SignUpResponse(user=user)
    return SignUpResponse(user=user, session=encode_session(opened.session), token=opened.token)


def encode_sign_in(result: SignInResult) -> SignInResponse:
    opened = result.opened
    return SignInResponse(user=encode_user(result.user), session=encode_session(opened.session), token=opened.token)


def decode_end_others(request: ChangePasswordRequest) -> bool | None:
    """Return whether a password change ends the other sessions, None if the request does not say."""
    return request.revoke_other_sessions if request.HasField("revoke_other_sessions") else None


def encode_password_change(user: User, opened: OpenedSession | None) -> ChangePasswordResponse:
    if opened is None:
        return ChangePasswordResponse(user=encode_user(user))
    return ChangePasswordResponse(user=encode_user(user), session=encode_session(opened.session), token=opened.token)
