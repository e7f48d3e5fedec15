"""What another system's values mean, whichever engine and driver they come from."""

import json
from datetime import UTC, datetime
from typing import Any

from ops.showing import CONTROLS
from runtime.fields import Field, normal, wrong
from services.identity.schema import ID_LENGTH
from services.identity.servicers.encoding import ID_CHARACTERS

MILLISECONDS_FROM = 100_000_000_000
"""A number from here on is a time in milliseconds: as seconds it would be in the year 5138."""


def row_id(value: Any) -> str | None:
    """Return an id as we keep it, None if it is none that we can keep."""
    text = "" if value is None else str(value)
    return text if 0 < len(text) <= ID_LENGTH and ID_CHARACTERS.issuperset(text) else None


def moment(value: Any) -> datetime | None:
    """Return a time in UTC to the millisecond, without a zone taken as UTC; None for none. Raises ValueError."""
    if value is None or value == "":
        return None
    try:
        time = _moment(value)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (TypeError, OverflowError, OSError) as error:
        raise ValueError from error
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and not value.isdecimal():
        return datetime.fromisoformat(value)
    number = float(value)
    return datetime.fromtimestamp(number / 1000 if number >= MILLISECONDS_FROM else number, UTC)


def flag(value: Any) -> bool:
    """Return whether a value means yes: true, a number but 0, a time (when it became so), not `false`, `f`, `0`."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "f", "false", "n", "no")
    return bool(value)


def line(value: Any, length: int) -> str:
    """Return a text of one line as we keep it: no control characters, and cut where it is too long."""
    return CONTROLS.sub("", "" if value is None else str(value))[:length]


def field_value(field: Field, value: Any) -> Any:
    """Return a product's own value as we keep it. Raises ValueError if it does not fit the field."""
    if field.type == "boolean":
        value = flag(value)
    elif field.type == "date":
        time = moment(value)
        value = time.isoformat() if time else None
    elif field.type.endswith("[]") and isinstance(value, str):
        value = json.loads(value)
    elif field.type == "number" and not isinstance(value, int | float):
        value = float(value)
    if wrong(field, value) is not None:
        raise ValueError
    return normal(field, value)
