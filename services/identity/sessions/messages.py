"""Converts sessions to and from protobuf messages."""

from runtime.clock import timestamp
from services.identity.messages import encode_struct
from services.identity.sessions.session import Origin, Session
from services.identity.users.custom_fields import fields_of_sessions
from trivet.identity.v1 import resources_pb2


def encode_session(session: Session) -> resources_pb2.Session:
    return resources_pb2.Session(
        id=session.id,
        user_id=session.user_id,
        expire_time=timestamp(session.expires_at),
        ip_address=session.ip_address,
        user_agent=session.user_agent,
        create_time=timestamp(session.created_at),
        update_time=timestamp(session.updated_at),
        additional=encode_struct(fields_of_sessions.returned(session.additional)),
    )


def decode_origin(origin: resources_pb2.SessionOrigin) -> Origin:
    remember = origin.remember_me if origin.HasField("remember_me") else True
    # PostgreSQL cannot store NUL in text. It is removed here, so that it does not fail a sign-in.
    return Origin(origin.ip_address.replace("\0", ""), origin.user_agent.replace("\0", ""), remember)
