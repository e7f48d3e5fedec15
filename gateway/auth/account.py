"""What people change of their own account: profile, password, and whether it exists."""

import msgspec
from google.protobuf.field_mask_pb2 import FieldMask
from msgspec import UNSET, UnsetType, field
from starlette.responses import Response

from gateway.auth.entering import Image, Name
from gateway.auth.objects import user_object
from gateway.auth.refusals import Refusal, refuse, too_many
from gateway.auth.validation import Record
from gateway.auth.visit import Visit
from trivet.identity.v1.auth_service_pb2 import ChangePasswordRequest, VerifyPasswordRequest
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import DeleteUserRequest, UpdateUserRequest

DONE = {"status": True}


class UpdateUser(Record):
    """The body of /update-user; whatever else it holds (a role, say) is ignored."""

    name: Name | UnsetType = UNSET
    image: Image | UnsetType | None = UNSET
    email: object = UNSET


async def update_user(visit: Visit, body: UpdateUser) -> Response:
    if body.email not in (UNSET, None, "", False):
        raise refuse("EMAIL_CAN_NOT_BE_UPDATED")
    paths = [name for name in ("name", "image") if getattr(body, name) is not UNSET]
    if not paths:
        raise Refusal(400, "No fields to update")
    me = visit.known
    changed = User(id=me.user.id, name=body.name or "", image=body.image or None)
    with me.acting():
        await visit.deps.backends.users.UpdateUser(UpdateUserRequest(user=changed, update_mask=FieldMask(paths=paths)))
    visit.open(me.session, me.token, remember=not visit.cookies.is_not_remembered(visit.request))
    return visit.json(DONE)


class ChangePassword(msgspec.Struct):
    """The body of /change-password."""

    new_password: str = field(name="newPassword")
    current_password: str = field(name="currentPassword")
    revoke_other_sessions: bool | UnsetType = field(name="revokeOtherSessions", default=UNSET)


async def change_password(visit: Visit, body: ChangePassword) -> Response:
    """Change the password. True for revokeOtherSessions renews the caller's session too; false keeps all."""
    if not body.new_password:
        raise refuse("PASSWORD_TOO_SHORT")
    if not body.current_password:
        raise refuse("INVALID_PASSWORD")
    me = visit.known
    _count_try(visit)
    remember = not visit.cookies.is_not_remembered(visit.request)
    with me.acting():
        answer = await visit.deps.backends.auth.ChangePassword(
            ChangePasswordRequest(
                user_id=me.user.id,
                current_password=body.current_password,
                new_password=body.new_password,
                session_id=me.session.id,
                revoke_other_sessions=None if body.revoke_other_sessions is UNSET else body.revoke_other_sessions,
                origin=visit.origin(remember=remember),
            )
        )
    if answer.token:
        visit.open(answer.session, answer.token, remember=remember)
    return visit.json({"token": answer.token or None, "user": user_object(answer.user)})


class VerifyPassword(msgspec.Struct):
    """The body of /verify-password."""

    password: str


async def verify_password(visit: Visit, body: VerifyPassword) -> Response:
    if not body.password:
        raise refuse("INVALID_PASSWORD")
    me = visit.known
    _count_try(visit)
    with me.acting():
        await visit.deps.backends.auth.VerifyPassword(VerifyPasswordRequest(user_id=me.user.id, password=body.password))
    return visit.json(DONE)


def _count_try(visit: Visit) -> None:
    """Raise Refusal if this account's password has been tried too often: a stolen session must not find it out."""
    if visit.tries and (seconds := visit.tries.take(visit.known.user.id, visit.address())):
        raise too_many(seconds)


class DeleteUser(msgspec.Struct):
    """The body of /delete-user."""

    callback_url: str | UnsetType = field(name="callbackURL", default=UNSET)
    password: str | UnsetType = UNSET
    token: str | UnsetType = UNSET


async def delete_user(visit: Visit, body: DeleteUser) -> Response:
    """Delete the account, for the right password or within a day of signing in, which identity looks at."""
    me = visit.known
    if body.token:
        raise refuse("INVALID_TOKEN")  # none has been sent out
    if body.password:
        _count_try(visit)
    with me.acting():
        await visit.deps.backends.users.DeleteUser(
            DeleteUserRequest(user_id=me.user.id, password=body.password or None)
        )
    visit.close()
    return visit.json({"success": True, "message": "User deleted"})
