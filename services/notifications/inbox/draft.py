"""A notification before it is stored, and the rules for its fields."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from runtime.errors import InvalidArgument
from services.notifications.delivery.email.message import Email, check_email
from services.notifications.store import json_data
from services.notifications.store.field_rules import check_length, invalid_field

Channel = Literal["email", "push", "in-app"]

MAX_USER_ID = 128
MAX_TITLE = 200
MAX_MESSAGE = 10_000
MAX_REQUEST_ID = 128
MAX_TTL = timedelta(days=3_650)

TOPIC = re.compile(r"[a-z0-9._-]{0,64}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A notification before it is stored. A `ttl` of None means TRIVET_NOTIFICATION_DAYS."""

    user_id: str
    title: str
    channel: Channel = "in-app"
    message: str = ""
    topic: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    email: Email | None = None
    ttl: timedelta | None = None
    request_id: str = ""


def check(draft: Draft) -> None:
    """Raise InvalidArgument, naming the field, if the draft breaks a rule of the .proto."""
    check_user_id("notification.user_id", draft.user_id)
    check_length("notification.title", draft.title, MAX_TITLE)
    check_length("notification.message", draft.message, MAX_MESSAGE)
    check_length("request_id", draft.request_id, MAX_REQUEST_ID)
    if not TOPIC.fullmatch(draft.topic):
        raise invalid_field("notification.topic", "must be at most 64 characters of [a-z0-9._-]")
    if draft.ttl is not None and not timedelta(seconds=1) <= draft.ttl <= MAX_TTL:
        raise invalid_field("ttl", f"must be from 1 second to {MAX_TTL.days} days")
    json_data.check(draft.data, "notification.data")
    if draft.channel == "email" and draft.email is None:
        raise InvalidArgument(
            "REQUIRED_FIELD_MISSING", "notification.email is required for the type email", field="notification.email"
        )
    if draft.email is not None:
        if draft.channel != "email":
            raise invalid_field("notification.email", "must be unset unless the type is email")
        check_email(draft.email, "notification.email")


def check_user_id(path: str, user_id: str) -> None:
    """Raise InvalidArgument for an id of more than 128 characters."""
    check_length(path, user_id, MAX_USER_ID)
