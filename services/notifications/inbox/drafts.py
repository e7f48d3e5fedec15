"""What a caller wants a user to be told, and the rules it must keep."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from runtime.errors import InvalidArgument
from services.notifications.store import json_data

Kind = Literal["email", "push", "in-app"]

MAX_USER_ID = 128
MAX_TITLE = 200
MAX_MESSAGE = 10_000
MAX_SUBJECT = 200
MAX_BODY = 100_000
MAX_ADDRESS = 320
MAX_REQUEST_ID = 128
MAX_TTL = timedelta(days=3_650)

TOPIC = re.compile(r"[a-z0-9._-]{0,64}")
ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\"\\\x00-\x1f\x7f]+@[^\s@,;:<>()\"\\\x00-\x1f\x7f]+")
LINE_BREAK = re.compile(r"[\r\n\v\f\x00\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Email:
    """One mail: an address, a subject of one line, and the body as text and perhaps as HTML."""

    to: str
    subject: str
    text: str
    html: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A notification that is not stored yet. `ttl` is None for the service's own."""

    user_id: str
    title: str
    kind: Kind = "in-app"
    message: str = ""
    topic: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    email: Email | None = None
    ttl: timedelta | None = None
    request_id: str = ""


def check(draft: Draft) -> None:
    """Raise InvalidArgument, naming the field, unless the draft keeps every rule that the .proto states."""
    check_user_id("notification.user_id", draft.user_id)
    _check_length("notification.title", draft.title, MAX_TITLE)
    _check_length("notification.message", draft.message, MAX_MESSAGE)
    _check_length("request_id", draft.request_id, MAX_REQUEST_ID)
    if not TOPIC.fullmatch(draft.topic):
        raise _invalid("notification.topic", "must be up to 64 of [a-z0-9._-]")
    if draft.ttl is not None and not timedelta(seconds=1) <= draft.ttl <= MAX_TTL:
        raise _invalid("ttl", f"must be from 1 second to {MAX_TTL.days} days")
    json_data.check(draft.data, "notification.data")
    if draft.kind == "email" and draft.email is None:
        raise InvalidArgument(
            "REQUIRED_FIELD_MISSING", "notification.email is required for the type email", field="notification.email"
        )
    if draft.email is not None:
        if draft.kind != "email":
            raise _invalid("notification.email", "goes with the type email alone")
        _check_email(draft.email)


def check_user_id(path: str, user_id: str) -> None:
    """Raise InvalidArgument for an id that is too long."""
    _check_length(path, user_id, MAX_USER_ID)


def _check_email(email: Email) -> None:
    _check_length("notification.email.to", email.to, MAX_ADDRESS)
    if not ADDRESS.fullmatch(email.to):
        raise _invalid("notification.email.to", "must be one address")
    _check_length("notification.email.subject", email.subject, MAX_SUBJECT)
    # A line break would begin another header.
    if LINE_BREAK.search(email.subject):
        raise _invalid("notification.email.subject", "must be one line")
    _check_length("notification.email.text", email.text, MAX_BODY)
    _check_length("notification.email.html", email.html, MAX_BODY)


def _check_length(path: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise _invalid(path, f"may have {limit} characters, not {len(text)}")


def _invalid(path: str, rule: str) -> InvalidArgument:
    return InvalidArgument("INVALID_FIELD", f"{path} {rule}", field=path)
