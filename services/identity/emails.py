"""What an email address may look like, and the one form in which it is stored."""

import re

from runtime.errors import InvalidArgument

MAX_LENGTH = 255
# As Better Auth's validator has it, with letters of any script before the @ (RFC 6531).
SHAPE = re.compile(r"(?!\.)(?!.*\.\.)[\w'+.-]*[\w+-]@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}")


def normal_email(text: str) -> str:
    """Return an address as it is stored: in lower case. Raises InvalidArgument (INVALID_EMAIL)."""
    if len(text) > MAX_LENGTH or not SHAPE.fullmatch(text) or len(lowered := text.lower()) > MAX_LENGTH:
        raise InvalidArgument("INVALID_EMAIL", "Invalid email", field="email")
    return lowered
