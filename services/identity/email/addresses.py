"""Validates and normalizes email addresses."""

import re

from runtime.errors import InvalidArgument

MAX_LENGTH = 255
# Better Auth's pattern, with letters of any script before the @ (RFC 6531).
SHAPE = re.compile(r"(?!\.)(?!.*\.\.)[\w'+.-]*[\w+-]@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}")


def normal_email(text: str) -> str:
    """Return an email address in its stored form, lower case. Raises InvalidArgument (INVALID_EMAIL)."""
    if len(text) > MAX_LENGTH or not SHAPE.fullmatch(text) or len(lowered := text.lower()) > MAX_LENGTH:
        raise InvalidArgument("INVALID_EMAIL", "Invalid email", field="email")
    return lowered


# The part before the @: the characters of RFC 5322's atoms, dots at any place, and any script (RFC 6531). A domain can
# be a single label, and of any script.
LOCAL = r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]|[^\x00-\x7f])+"
DOMAIN = r"(?:[A-Za-z0-9]|[^\x00-\x7f])(?:[A-Za-z0-9_.-]|[^\x00-\x7f])*"
FOREIGN = re.compile(f"{LOCAL}@{DOMAIN}")


def foreign_email(text: str) -> str:
    """Return an email address from a provider or an import in its stored form, lower case.

    It accepts more than `normal_email`, for example `r&d@x.io`, `root@localhost` and `x@münchen.example`. Raises
    InvalidArgument (INVALID_EMAIL) for an address that cannot receive mail.
    """
    lowered = text.lower()
    is_text = len(lowered) <= MAX_LENGTH and lowered.isprintable() and " " not in lowered
    if not is_text or not FOREIGN.fullmatch(text) or ".." in text.rpartition("@")[2]:
        raise InvalidArgument("INVALID_EMAIL", "Invalid email", field="email")
    return lowered
