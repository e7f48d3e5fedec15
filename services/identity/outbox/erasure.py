"""Having the other services forget a user who was deleted."""

import json

from runtime.errors import DeliveryRejectedError
from services.identity.outbox.outbox import OutboxMessage

TOPIC = "user.erase"


def payload(user_id: str) -> str:
    """Return the payload of an erasure."""
    return json.dumps({"user_id": user_id})


def user_of(note: OutboxMessage) -> str:
    """Return whom a note is about. Raises DeliveryRejectedError."""
    try:
        return str(json.loads(note.payload)["user_id"])
    except (ValueError, KeyError, TypeError):
        raise DeliveryRejectedError("its payload cannot be read") from None
