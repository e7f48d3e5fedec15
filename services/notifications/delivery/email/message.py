"""A mail as a caller passes it, and the rules for its fields."""

import re
from dataclasses import dataclass

from services.notifications.store.field_rules import check_length, invalid_field

MAX_ADDRESS = 320
MAX_SUBJECT = 200
MAX_BODY = 100_000
ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\"\\\x00-\x1f\x7f]+@[^\s@,;:<>()\"\\\x00-\x1f\x7f]+")
LINE_BREAK = re.compile(r"[\r\n\v\f\x00\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Email:
    """One mail: an address, a subject of one line, and the body as text. `html` is the body as HTML, or empty."""

    to: str
    subject: str
    text: str
    html: str = ""


def check_email(email: Email, path: str) -> None:
    """Raise InvalidArgument, naming the field below `path`, if the mail breaks a rule of the .proto."""
    check_length(f"{path}.to", email.to, MAX_ADDRESS)
    if not ADDRESS.fullmatch(email.to):
        raise invalid_field(f"{path}.to", "must be one email address")
    check_length(f"{path}.subject", email.subject, MAX_SUBJECT)
    # A line break would start another header.
    if LINE_BREAK.search(email.subject):
        raise invalid_field(f"{path}.subject", "must be one line")
    check_length(f"{path}.text", email.text, MAX_BODY)
    check_length(f"{path}.html", email.html, MAX_BODY)
