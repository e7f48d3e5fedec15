"""Users and sessions in the protocol's JSON: dates with exactly three fraction digits, absent values as null."""

from typing import Any

import msgspec
from google.protobuf.struct_pb2 import Struct

from gateway.api.json_encoding import converter, date
from trivet.identity.v1.resources_pb2 import Session, User


class UserObject(msgspec.Struct, rename="camel"):
    """A user without the fields for administrators."""

    id: str
    name: str
    email: str
    email_verified: bool
    image: str | None
    created_at: str
    updated_at: str


class SessionObject(msgspec.Struct, rename="camel"):
    """A session. `token` is the handle by which it is revoked."""

    id: str
    user_id: str
    token: str
    expires_at: str
    created_at: str
    updated_at: str
    ip_address: str
    user_agent: str


Object = UserObject | SessionObject | dict[str, Any]
"""An object to encode. With a product's own fields it is a dict."""


def builtins(made: Object) -> dict[str, Any]:
    """Return an object's members in the order of the JSON."""
    members: dict[str, Any] = msgspec.to_builtins(made)
    return members


def user_object(user: User) -> Object:
    made = UserObject(
        id=user.id,
        name=user.name,
        email=user.email,
        email_verified=user.email_verified,
        image=user.image if user.HasField("image") else None,
        created_at=date(user.create_time),
        updated_at=date(user.update_time),
    )
    return _with(made, user.additional) if user.HasField("additional") else made


def session_object(session: Session, token: str) -> Object:
    """Return a session. `token` is the token for the caller's session, and the id for other sessions."""
    made = SessionObject(
        id=session.id,
        user_id=session.user_id,
        token=token,
        expires_at=date(session.expire_time),
        created_at=date(session.create_time),
        updated_at=date(session.update_time),
        ip_address=session.ip_address,
        user_agent=session.user_agent,
    )
    return _with(made, session.additional) if session.HasField("additional") else made


def _with(made: UserObject | SessionObject, additional: Struct) -> Object:
    members: dict[str, Any] = converter(Struct.DESCRIPTOR)(additional)
    return builtins(made) | members
