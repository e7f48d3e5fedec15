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


# What stands before the @ in mail in use: the characters of RFC 5322's atoms, dots wherever they are, and any script
# (RFC 6531). A domain may be one label, or of any script.
LOCAL = r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]|[^\x00-\x7f])+"
DOMAIN = r"(?:[A-Za-z0-9]|[^\x00-\x7f])(?:[A-Za-z0-9_.-]|[^\x00-\x7f])*"
FOREIGN = re.compile(f"{LOCAL}@{DOMAIN}")


def foreign_email(text: str) -> str:
    """Return an address that another system vouches for as it is stored: in lower case.

    It takes what `normal_email` takes, and what people could not sign up with here: `r&d@x.io`, `root@localhost`,
    `x@münchen.example`. Raises InvalidArgument (INVALID_EMAIL) for what no mail can be sent to.
    """
    lowered = text.lower()
    is_text = len(lowered) <= MAX_LENGTH and lowered.isprintable() and " " not in lowered
    if not is_text or not FOREIGN.fullmatch(text) or ".." in text.rpartition("@")[2]:
        raise InvalidArgument("INVALID_EMAIL", "Invalid email", field="email")
    return lowered
