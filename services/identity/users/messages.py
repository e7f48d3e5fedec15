"""Converts users to and from protobuf messages, and checks the fields that a user sets."""

from runtime.clock import timestamp
from runtime.errors import InvalidArgument
from services.identity.messages import encode_struct, optional_timestamp
from services.identity.store.control_characters import CONTROLS
from services.identity.users.custom_fields import of_users
from services.identity.users.pictures import SHAPE, is_image
from services.identity.users.users import Role, User
from trivet.identity.v1 import resources_pb2

ROLES = {Role.USER: resources_pb2.ROLE_USER, Role.ADMIN: resources_pb2.ROLE_ADMIN}
ROLES_BY_NUMBER = {number: role for role, number in ROLES.items()}
NAME_LENGTH = 255


def encode_user(user: User) -> resources_pb2.User:
    return resources_pb2.User(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified,
        name=user.name,
        image=user.image,
        role=ROLES[user.role],
        banned=user.banned,
        ban_reason=user.ban_reason or "",
        ban_expire_time=optional_timestamp(user.ban_expires),
        create_time=timestamp(user.created_at),
        update_time=timestamp(user.updated_at),
        additional=encode_struct(of_users.shown(user.additional)),
    )


def decode_name(text: str, field: str) -> str:
    """Return a person's name. Raises InvalidArgument (INVALID_NAME)."""
    if not 1 <= len(text) <= NAME_LENGTH:
        raise InvalidArgument("INVALID_NAME", f"{field} must have 1 to {NAME_LENGTH} characters", field=field)
    if CONTROLS.search(text):
        raise InvalidArgument("INVALID_NAME", f"{field} must not hold control characters", field=field)
    return text


def decode_image(text: str | None, field: str) -> str | None:
    """Return a picture's address or data URL, None if unset. Raises InvalidArgument (INVALID_IMAGE)."""
    if text is not None and not is_image(text):
        raise InvalidArgument("INVALID_IMAGE", f"{field} must be {SHAPE}, without control characters", field=field)
    return text
