"""Converts users to and from protobuf messages, and checks the fields that a user sets."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import compress
from typing import Any

from google.protobuf.duration_pb2 import Duration

from runtime.clock import timestamp
from runtime.errors import InvalidArgument
from services.identity.messages import decode_additional, encode_struct, optional_timestamp
from services.identity.store.control_characters import CONTROLS
from services.identity.users.custom_fields import fields_of_users
from services.identity.users.pictures import SHAPE, is_image
from services.identity.users.users import Role, User
from trivet.identity.v1 import resources_pb2
from trivet.identity.v1.user_service_pb2 import UpdateUserRequest

ROLES = {Role.USER: resources_pb2.ROLE_USER, Role.ADMIN: resources_pb2.ROLE_ADMIN}
ROLES_BY_NUMBER = {number: role for role, number in ROLES.items()}
NAME_LENGTH = 255
CHANGEABLE = ("name", "image", "additional")
MAX_BAN = timedelta(days=100 * 365)


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
        additional=encode_struct(fields_of_users.returned(user.additional)),
    )


def decode_name(text: str, field: str) -> str:
    """Return a user's name. Raises InvalidArgument (INVALID_NAME)."""
    if not 1 <= len(text) <= NAME_LENGTH:
        raise InvalidArgument("INVALID_NAME", f"{field} must have 1 to {NAME_LENGTH} characters", field=field)
    if CONTROLS.search(text):
        raise InvalidArgument("INVALID_NAME", f"{field} must not contain control characters", field=field)
    return text


def decode_image(text: str | None, field: str) -> str | None:
    """Return the URL or data URL of a picture, None if unset. Raises InvalidArgument (INVALID_IMAGE)."""
    if text is not None and not is_image(text):
        raise InvalidArgument("INVALID_IMAGE", f"{field} must be {SHAPE}, without control characters", field=field)
    return text


def decode_role(number: resources_pb2.Role.ValueType) -> Role:
    """Return the role of a role's number. Raises InvalidArgument (INVALID_ROLE)."""
    if number not in ROLES_BY_NUMBER:
        raise InvalidArgument("INVALID_ROLE", "role must be ROLE_USER or ROLE_ADMIN", field="role")
    return ROLES_BY_NUMBER[number]


def decode_ban_duration(duration: Duration) -> timedelta:
    """Return how long a ban lasts. Raises InvalidArgument (INVALID_DURATION) outside 1 second to 100 years."""
    seconds = duration.seconds + duration.nanos / 1e9
    if not 1 <= seconds <= MAX_BAN.total_seconds():
        raise InvalidArgument("INVALID_DURATION", "duration must be 1 second to 100 years", field="duration")
    return timedelta(seconds=seconds)


def decode_changes(request: UpdateUserRequest) -> tuple[dict[str, str | None], dict[str, Any]]:
    """Return the new values of an update: columns by name, and custom fields by name.

    The mask selects the fields. Without a mask, every field that is set is changed.
    Raises InvalidArgument (FIELD_NOT_CHANGEABLE, NO_FIELDS_TO_UPDATE, and the reasons of each field).
    """
    user = request.user
    additional: dict[str, Any] = {}
    image = user.image if user.HasField("image") else None
    paths: Iterable[str] = request.update_mask.paths
    if not request.update_mask.paths:
        is_set = (bool(user.name), image is not None, user.HasField("additional"))
        paths = compress(CHANGEABLE, is_set)
    changes: dict[str, str | None] = {}
    for path in paths:
        if path not in CHANGEABLE:
            raise InvalidArgument(
                "FIELD_NOT_CHANGEABLE", f"update_mask can contain {', '.join(CHANGEABLE)}", field="update_mask"
            )
        if path == "additional":
            additional = decode_additional(user.additional, fields_of_users, "user.additional")
        else:
            changes[path] = decode_name(user.name, "user.name") if path == "name" else decode_image(image, "user.image")
    if not changes and not additional:
        raise InvalidArgument("NO_FIELDS_TO_UPDATE", "No fields to update", field="update_mask")
    return changes, additional
