"""Checks of a request's fields: form and size. Each error names the field."""

import re
from collections.abc import Sequence

from runtime.errors import InvalidArgument

MAX_VALUE_BYTES = 1024 * 1024
MAX_TAGS = 16
MAX_BATCH = 1_000
MAX_INVALIDATED_TAGS = 100
DEFAULT_TTL_MS = 300_000
MAX_LIMIT = 1_000_000
MAX_PERIOD_MS = 24 * 60 * 60 * 1_000

KEY = re.compile(r"[!-~]{1,512}")


def check_key(key: str, field: str) -> None:
    """Raise InvalidArgument unless the key, or tag, is 1 to 512 characters of visible ASCII."""
    if not KEY.fullmatch(key):
        raise InvalidArgument("INVALID_KEY", f"{field} must be 1 to 512 characters of visible ASCII", field=field)


def check_keys(keys: Sequence[str]) -> None:
    """Raise InvalidArgument unless there are at most 1,000 keys, each of a valid form."""
    check_count(len(keys), MAX_BATCH, "keys")
    for index, key in enumerate(keys):
        if not KEY.fullmatch(key):
            check_key(key, f"keys[{index}]")


def check_tags(tags: Sequence[str], field: str, most: int = MAX_TAGS) -> None:
    """Raise InvalidArgument unless there are at most `most` tags, each in the form of a key."""
    check_count(len(tags), most, field)
    for index, tag in enumerate(tags):
        check_key(tag, f"{field}[{index}]")


def check_count(count: int, most: int, field: str) -> None:
    """Raise InvalidArgument for a list that is too long."""
    if count > most:
        raise InvalidArgument("TOO_MANY", f"{field} can have at most {most} elements, not {count}", field=field)


def check_value(value: bytes, field: str) -> None:
    """Raise InvalidArgument for a value over 1 MiB."""
    if len(value) > MAX_VALUE_BYTES:
        raise InvalidArgument("VALUE_TOO_LARGE", f"{field} can have at most {MAX_VALUE_BYTES} bytes", field=field)


def ttl_ms(nanoseconds: int | None, longest: int, field: str) -> int:
    """Return a time to live in milliseconds: 300 s for None, limited to 1 and `longest`.

    Raises InvalidArgument for zero and less.
    """
    if nanoseconds is None:
        return min(DEFAULT_TTL_MS, longest)
    if nanoseconds <= 0:
        raise InvalidArgument("INVALID_TTL", f"{field} must be greater than zero", field=field)
    return min(max(1, nanoseconds // 1_000_000), longest)


def jitter(milliseconds: int, chance: float) -> int:
    """Return the time to live, less up to a tenth of it by a `chance` from 0 to 1. At least a millisecond remains."""
    return max(1, milliseconds - int(milliseconds * chance / 10))


def check_limit(limit: int, cost: int) -> None:
    """Raise InvalidArgument for a limit out of range, and for a cost of less than 1 or more than the limit."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidArgument("INVALID_LIMIT", f"limit must be from 1 to {MAX_LIMIT}", field="limit")
    if not 1 <= cost <= limit:
        raise InvalidArgument("INVALID_COST", "cost must be from 1 to the limit", field="cost")


def period_ms(nanoseconds: int) -> int:
    """Return a period in milliseconds. Raises InvalidArgument unless it is from one millisecond to a day."""
    milliseconds = nanoseconds // 1_000_000
    if not 1 <= milliseconds <= MAX_PERIOD_MS:
        raise InvalidArgument("INVALID_PERIOD", "period must be from a millisecond to a day", field="period")
    return milliseconds
