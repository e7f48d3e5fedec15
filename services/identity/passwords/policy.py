"""The rules for passwords: length, common passwords, and normalization."""

import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from runtime.errors import InvalidArgument

MIN_LENGTH = 8
MAX_LENGTH = 128
MAX_CHECKED_LENGTH = 1_024
"""The maximum length of a password that is checked. Imported users can have passwords longer than MAX_LENGTH."""
COMMON = Path(__file__).with_name("common_passwords.txt")


@cache
def common_passwords() -> frozenset[str]:
    """Return the 3,000 most common passwords, in lower case."""
    return frozenset(_lines())


def _lines() -> Iterator[str]:
    for line in COMMON.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.casefold()


def utf16_length(text: str) -> int:
    """Return the number of UTF-16 code units of a text, which is JavaScript's `length`: two for an emoji."""
    return len(text) + sum(character > "\uffff" for character in text)


def normal_password(text: str, *, field: str = "password") -> str:
    """Return a password to check in its normal form: NFKC, not trimmed.

    The limit is higher than for new passwords, so that imported users can sign in.
    Raises InvalidArgument (PASSWORD_TOO_LONG).
    """
    if len(text) > MAX_CHECKED_LENGTH:
        raise _too_long(field, MAX_CHECKED_LENGTH)
    return unicodedata.normalize("NFKC", text)


def new_password(text: str, *, refuse_common: bool, field: str = "password") -> str:
    """Return a new password in its normal form. Its length is counted as in Better Auth: UTF-16, before NFKC.

    Raises InvalidArgument: PASSWORD_TOO_SHORT, PASSWORD_TOO_LONG or PASSWORD_TOO_COMMON.
    """
    if utf16_length(text) < MIN_LENGTH:
        raise InvalidArgument("PASSWORD_TOO_SHORT", f"Password must have at least {MIN_LENGTH} characters", field=field)
    if utf16_length(text) > MAX_LENGTH:
        raise _too_long(field)
    normal = normal_password(text, field=field)
    if refuse_common and normal.casefold() in common_passwords():
        raise InvalidArgument("PASSWORD_TOO_COMMON", "This password is among the first that are guessed", field=field)
    return normal


def _too_long(field: str, most: int = MAX_LENGTH) -> InvalidArgument:
    return InvalidArgument("PASSWORD_TOO_LONG", f"Password must have at most {most} characters", field=field)
