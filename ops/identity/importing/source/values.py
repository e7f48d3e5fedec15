"""Converts values of another system, from any engine and driver."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from identity_rules.custom_fields import Field, normalized, type_mismatch
from ops.identity.importing.source.times import Times, Unreadable
from ops.output import CONTROLS
from runtime import json_text
from services.identity.messages import ID_CHARACTERS
from services.identity.store.schema.table import ID_LENGTH

TIMES = frozenset(
    {"createdAt", "updatedAt", "expiresAt", "banExpires", "accessTokenExpiresAt", "refreshTokenExpiresAt"}
    | {"created_at", "updated_at", "ban_expires"}
)
FLAGS = frozenset({"emailVerified", "banned", "email_verified"})
YES = frozenset({"t", "true", "y", "yes", "on"})
NO = frozenset({"", "f", "false", "n", "no", "off"})
ZERO_DATE = "0000-00-00"
"""MySQL's zero date."""


def read(row: Mapping[str, Any], spelled: Mapping[str, str], times: Times) -> dict[str, Any]:
    """Return a row's values by name, converted to Trivet's types. `spelled` leads from names to columns.

    Raises Unreadable, which names the column.
    """
    values: dict[str, Any] = {}
    for name, column in spelled.items():
        if name in TIMES:
            values[name] = times.read(column, row[column])
            continue
        try:
            values[name] = flag(row[column]) if name in FLAGS else words(row[column])
        except ValueError:
            what = "neither yes nor no" if name in FLAGS else "bytes that are not UTF-8 text"
            raise Unreadable(f"the column {column} holds {what}") from None
    return values


def words(value: Any) -> Any:
    """Return bytes decoded as UTF-8, other values unchanged. Raises ValueError for invalid bytes."""
    return bytes(value).decode() if isinstance(value, bytes | bytearray | memoryview) else value


def row_id(value: Any) -> str | None:
    """Return an id as a text, None if Trivet cannot store it."""
    text = "" if value is None else str(value)
    return text if 0 < len(text) <= ID_LENGTH and ID_CHARACTERS.issuperset(text) else None


def flag(value: Any) -> bool:
    """Return a value as a bool. Raises ValueError if it means neither yes nor no.

    Drivers return booleans, numbers, bits as bytes, and texts. A time means yes: the moment of the change.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return _bits(bytes(value))
    if isinstance(value, str):
        return _word(value.strip().lower())
    if value is None or isinstance(value, bool | datetime):
        return bool(value)
    if isinstance(value, int | float | Decimal) and value == value:  # not NaN
        return value != 0
    raise ValueError


def _bits(value: bytes) -> bool:
    """Read a text from a binary column, or a `bit` column, which has at most eight bytes."""
    text = value.decode("latin-1")
    if text.isascii() and text.isprintable():
        return _word(text.strip().lower())
    if len(value) > 8:
        raise ValueError
    return any(value)


def _word(text: str) -> bool:
    if text in YES or text in NO:
        return text in YES
    if text.startswith(ZERO_DATE):
        return False
    try:
        number = Decimal(text)
    except InvalidOperation:
        return bool(datetime.fromisoformat(text.upper()))
    if number.is_nan():
        raise ValueError
    return number != 0


def line(value: Any, length: int) -> str:
    """Return a value as a text of one line, without control characters, cut at `length`."""
    return CONTROLS.sub("", "" if value is None else str(value))[:length]


def field_value(field: Field, value: Any, read_time: Callable[[Any], datetime | None]) -> Any:
    """Return the value of a custom field as Trivet stores it. Raises ValueError if it does not fit the field."""
    if field.type == "boolean":
        value = flag(value)
    elif field.type == "date":
        time = read_time(value)
        value = time.isoformat() if time else None
    else:
        value = words(value)
    if field.type.endswith("[]") and isinstance(value, str):
        value = json_text.parse(value)
    elif field.type == "number" and not isinstance(value, int | float):
        value = float(value)
    if type_mismatch(field, value) is not None:
        raise ValueError
    return normalized(field, value)
