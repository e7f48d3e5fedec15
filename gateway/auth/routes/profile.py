"""Changes of the caller's profile and password."""

from itertools import compress

import msgspec
from google.protobuf.field_mask_pb2 import FieldMask
from msgspec import UNSET, UnsetType, field
from starlette.responses import Response

from gateway.auth.protocol.context import AuthContext
from gateway.auth.protocol.custom_fields import changed_values
from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.guards import confirmed, signed_in
from gateway.auth.protocol.limits import SENSITIVE
from gateway.auth.protocol.refusals import ErrorCode, Refusal, refuse
from gateway.auth.protocol.validation import Record
from gateway.auth.routes.email_password import PASSWORD_TOO_SHORT, Image, Name
from gateway.http.description import DONE, Description, Done, UserAnswer
from gateway.sessions.wire_objects import user_object
from trivet.identity.v1.auth_service_pb2 import ChangePasswordRequest, VerifyPasswordRequest
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import UpdateUserRequest

CREDENTIAL_ACCOUNT_NOT_FOUND = ErrorCode("CREDENTIAL_ACCOUNT_NOT_FOUND", 400, "Credential account not found")
EMAIL_CAN_NOT_BE_UPDATED = ErrorCode("EMAIL_CAN_NOT_BE_UPDATED", 400, "Email can not be updated")
INVALID_PASSWORD = ErrorCode("INVALID_PASSWORD", 400, "Invalid password")


class UpdateUser(Record):
    """The body of /update-user. Other members, such as a role, are ignored."""

    name: Name | UnsetType = UNSET
    image: Image | UnsetType | None = UNSET
    email: object = UNSET


@Description(
    answers=(Done,),
    calls=("UserService.UpdateUser",),
    without_code={400: "Also without a code, if there is nothing to update."},
)
async def update_user(context: AuthContext, body: UpdateUser) -> Response:
    """Change the caller's name, image and additional fields."""
    if body.email not in (UNSET, None, "", False):
        raise refuse(EMAIL_CAN_NOT_BE_UPDATED)
    additional = changed_values(context.deps.settings.user_fields, context.body)
    given = (body.name is not UNSET, body.image is not UNSET, additional is not None)
    paths = list(compress(("name", "image", "additional"), given))
    if not paths:
        raise Refusal(400, "No fields to update")
    me = context.caller
    changed = User(id=me.user.id, name=body.name or "", image=body.image or None, additional=additional)
    with me.acting():
        request = UpdateUserRequest(user=changed, update_mask=FieldMask(paths=paths))
        user = await context.deps.backends.users.UpdateUser(request)
    context.open_session(
        me.session, me.token, user=user, remember=not context.cookies.is_not_remembered(context.request)
    )
    return context.json(DONE)


class ChangePassword(msgspec.Struct):
    """The body of /change-password."""

    new_password: str = field(name="newPassword")
    current_password: str = field(name="currentPassword")
    revoke_other_sessions: bool | UnsetType = field(name="revokeOtherSessions", default=UNSET)


class PasswordChanged(msgspec.Struct):
    """The user, and the new session's token if the caller's session was replaced."""

    token: str | None
    user: UserAnswer


@Description(
    answers=(PasswordChanged,),
    calls=("AuthService.ChangePassword",),
    signs_in=True,
)
async def change_password(context: AuthContext, body: ChangePassword) -> Response:
    """Change the caller's password. `revokeOtherSessions: true` also replaces the caller's session."""
    if not body.new_password:
        raise refuse(PASSWORD_TOO_SHORT)
    if not body.current_password:
        raise refuse(INVALID_PASSWORD)
    me = context.caller
    await context.count_password_attempt(me.user.id)
    remember = not context.cookies.is_not_remembered(context.request)
    with me.acting():
        answer = await context.deps.backends.auth.ChangePassword(
            ChangePasswordRequest(
                user_id=me.user.id,
                current_password=body.current_password,
                new_password=body.new_password,
                session_id=me.session.id,
                revoke_other_sessions=None if body.revoke_other_sessions is UNSET else body.revoke_other_sessions,
                origin=context.session_origin(remember=remember),
            )
        )
    if answer.token:
        context.open_session(answer.session, answer.token, user=answer.user, remember=remember)
    return context.json(PasswordChanged(token=answer.token or None, user=user_object(answer.user)))


class VerifyPassword(msgspec.Struct):
    """The body of /verify-password."""

    password: str


@Description(answers=(Done,), calls=("AuthService.VerifyPassword",))
async def verify_password(context: AuthContext, body: VerifyPassword) -> Response:
    """Check the caller's password."""
    if not body.password:
        raise refuse(INVALID_PASSWORD)
    me = context.caller
    await context.count_password_attempt(me.user.id)
    with me.acting():
        await context.deps.backends.auth.VerifyPassword(
            VerifyPasswordRequest(user_id=me.user.id, password=body.password)
        )
    return context.json(DONE)


FEATURE = Feature(
    endpoints=(
        Endpoint("POST", "/update-user", update_user, UpdateUser, signed_in),
        Endpoint("POST", "/change-password", change_password, ChangePassword, confirmed, SENSITIVE),
        Endpoint("POST", "/verify-password", verify_password, VerifyPassword, confirmed),
    ),
    error_codes={
        "CREDENTIAL_ACCOUNT_NOT_FOUND": CREDENTIAL_ACCOUNT_NOT_FOUND,
        "INVALID_PASSWORD": INVALID_PASSWORD,
    },
)
