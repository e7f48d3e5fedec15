"""From the messages of preference_service.proto to preferences and back."""

from runtime.errors import InvalidArgument
from services.notifications.inbox.messages import TYPES, kind_of
from services.notifications.inbox.preferences import Preference
from trivet.notifications.v1 import preference_service_pb2 as pb


def preference(message: pb.Preference, user_id: str) -> Preference:
    """Return what the user has said. Raises InvalidArgument for one without a type."""
    kind = kind_of(message.type, "preference.type")
    if kind is None:
        raise InvalidArgument("REQUIRED_FIELD_MISSING", "preference.type is required", field="preference.type")
    return Preference(user_id, message.topic, kind, message.enabled)


def answer(said: Preference) -> pb.Preference:
    return pb.Preference(user_id=said.user_id, topic=said.topic, type=TYPES[said.kind], enabled=said.enabled)
