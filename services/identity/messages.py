"""Between the domain's values and the messages of the .proto files."""

from datetime import datetime
from typing import Any

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from grpc.aio import ServicerContext

from runtime.clock import timestamp
from runtime.errors import InvalidArgument
from runtime.ids import ALPHABET
from runtime.rpc.actor import current_actor
from runtime.struct_codec import plain
from services.identity.sessions.sessions import Origin, Session
from services.identity.store.control_characters import CONTROLS
from services.identity.store.schema.table import ID_LENGTH
from services.identity.users.custom_fields import Additional, of_sessions, of_users
from services.identity.users.pictures import SHAPE, is_image
from services.identity.users.users import Role, User
from trivet.identity.v1 import resources_pb2

Context = ServicerContext[Any, Any]
ROLES = {Role.USER: resources_pb2.ROLE_USER, Role.ADMIN: resources_pb2.ROLE_ADMIN}
ROLES_BY_NUMBER = {number: role for role, number in ROLES.items()}
NAME_LENGTH = 255
URL_LENGTH = 2_048
ID_CHARACTERS = frozenset(ALPHABET + "-_")


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
        additional=_struct(of_users.shown(user.additional)),
    )


def encode_session(session: Session) -> resources_pb2.Session:
    return resources_pb2.Session(
        id=session.id,
        user_id=session.user_id,
        expire_time=timestamp(session.expires_at),
        ip_address=session.ip_address,
        user_agent=session.user_agent,
        create_time=timestamp(session.created_at),
        update_time=timestamp(session.updated_at),
        additional=_struct(of_sessions.shown(session.additional)),
    )


def optional_timestamp(time: datetime | None) -> Timestamp | None:
    return None if time is None else timestamp(time)


def decode_origin(origin: resources_pb2.SessionOrigin) -> Origin:
    remember = origin.remember_me if origin.HasField("remember_me") else True
    # PostgreSQL has no NUL in text; an address or a browser that holds one is not worth refusing a sign-in.
    return Origin(origin.ip_address.replace("\0", ""), origin.user_agent.replace("\0", ""), remember)


def decode_id(text: str) -> str:
    """Return an id that a row may have, or one that none has: what is no id never reaches a comparison in SQL.

    MySQL ignores spaces at the end, and answers an error to letters that its column cannot hold.
    """
    return text if len(text) <= ID_LENGTH and ID_CHARACTERS.issuperset(text) else "-"


def decode_name(text: str, field: str) -> str:
    """Return a person's name. Raises InvalidArgument (INVALID_NAME)."""
    if not 1 <= len(text) <= NAME_LENGTH:
        raise InvalidArgument("INVALID_NAME", f"{field} must have 1 to {NAME_LENGTH} characters", field=field)
    if CONTROLS.search(text):
        raise InvalidArgument("INVALID_NAME", f"{field} must not hold control characters", field=field)
    return text


def decode_url(text: str, field: str) -> str:
    """Return an address that a browser is sent to, empty if unset. Raises InvalidArgument (INVALID_URL)."""
    if len(text) > URL_LENGTH or CONTROLS.search(text):
        message = f"{field} must have up to {URL_LENGTH} characters, and none of them control characters"
        raise InvalidArgument("INVALID_URL", message, field=field)
    return text


def decode_image(text: str | None, field: str) -> str | None:
    """Return a picture's address or data URL, None if unset. Raises InvalidArgument (INVALID_IMAGE)."""
    if text is not None and not is_image(text):
        raise InvalidArgument("INVALID_IMAGE", f"{field} must be {SHAPE}, without control characters", field=field)
    return text


def decode_additional(given: Struct, kind: Additional, field: str) -> dict[str, Any]:
    """Return values of a product's own fields. Raises InvalidArgument for what the caller may not set so."""
    return kind.accepted(plain(given, field), field, by_person=current_actor.get().is_person)


def _struct(values: dict[str, Any] | None) -> Struct | None:
    if values is None:
        return None
    message = Struct()
    message.update(values)
    return message
