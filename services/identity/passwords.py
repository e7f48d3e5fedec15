"""Which passwords are taken, and the one form in which they are compared."""

import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from runtime.errors import InvalidArgument

MIN_LENGTH = 8
MAX_LENGTH = 128
COMMON = Path(__file__).with_name("common_passwords.txt")


@cache
def common_passwords() -> frozenset[str]:
    """Return the 3,000 that are tried first, in lower case."""
    return frozenset(_lines())


def _lines() -> Iterator[str]:
    for line in COMMON.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.casefold()


def normal_password(text: str, *, field: str = "password") -> str:
    """Return a password as it is hashed: NFKC, nothing trimmed. Raises InvalidArgument (PASSWORD_TOO_LONG)."""
    # NFKC may make one character eighteen: what is far too long is refused before that work.
    if len(text) > MAX_LENGTH or len(normal := unicodedata.normalize("NFKC", text)) > MAX_LENGTH:
        raise InvalidArgument("PASSWORD_TOO_LONG", f"Password must have at most {MAX_LENGTH} characters", field=field)
    return normal


def new_password(text: str, *, refuse_common: bool, field: str = "password") -> str:
    """Return a password to be set, as it is hashed.

    Raises InvalidArgument: PASSWORD_TOO_SHORT, PASSWORD_TOO_LONG or PASSWORD_TOO_COMMON.
    """
    normal = normal_password(text, field=field)
    if len(normal) < MIN_LENGTH:
        raise InvalidArgument("PASSWORD_TOO_SHORT", f"Password must have at least {MIN_LENGTH} characters", field=field)
    if refuse_common and normal.casefold() in common_passwords():
        raise InvalidArgument("PASSWORD_TOO_COMMON", "This password is among the first that are guessed", field=field)
    return normal
