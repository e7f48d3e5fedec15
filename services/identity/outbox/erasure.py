"""Messages that make other services erase the data of a deleted user."""

import json

from runtime.errors import DeliveryRejectedError
from services.identity.outbox.delivery import OutboxMessage

TOPIC = "user.erase"


def payload(user_id: str) -> str:
    """Return the payload of an erasure message."""
    return json.dumps({"user_id": user_id})


def user_of(message: OutboxMessage) -> str:
    """Return the id of the user to erase. Raises DeliveryRejectedError if the payload is malformed."""
    try:
        return str(json.loads(message.payload)["user_id"])
    except (ValueError, KeyError, TypeError):
        raise DeliveryRejectedError("its payload cannot be read") from None
