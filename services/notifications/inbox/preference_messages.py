"""Decodes and encodes the messages of preference_service.proto."""

from runtime.errors import InvalidArgument
from services.notifications.inbox.messages import CHANNEL_NUMBERS, decode_channel
from services.notifications.inbox.preferences import Preference
from trivet.notifications.v1 import preference_service_pb2 as pb


def decode_preference(message: pb.Preference, user_id: str) -> Preference:
    """Return the preference of this user. Raises InvalidArgument for a missing or unknown type."""
    channel = decode_channel(message.type, "preference.type")
    if channel is None:
        raise InvalidArgument("REQUIRED_FIELD_MISSING", "preference.type is required", field="preference.type")
    return Preference(user_id, message.topic, channel, message.enabled)


def encode_preference(preference: Preference) -> pb.Preference:
    return pb.Preference(
        user_id=preference.user_id,
        topic=preference.topic,
        type=CHANNEL_NUMBERS[preference.channel],
        enabled=preference.enabled,
    )
