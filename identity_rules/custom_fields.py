"""Custom fields that a product adds to users and sessions: their declaration in settings, and their types."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

MAX_FIELDS = 50
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
TYPES = ("string", "number", "boolean", "date", "string[]", "number[]")
FLAGS = ("required", "input", "returned")
OF_JAVASCRIPT = frozenset({"constructor", "prototype", "hasOwnProperty", "toString", "valueOf"})
RESERVED_FOR_USERS = OF_JAVASCRIPT | {
    *("id", "name", "email", "emailVerified", "image", "createdAt", "updatedAt", "role", "banned", "banReason"),
    *("banExpires", "password", "currentPassword", "newPassword", "callbackURL", "rememberMe", "token"),
}
RESERVED_FOR_SESSIONS = OF_JAVASCRIPT | {
    *("id", "userId", "token", "expiresAt", "createdAt", "updatedAt", "ipAddress", "userAgent", "user"),
}
"""Names that users and sessions use already. A custom field cannot have one of them."""


@dataclass(frozen=True, slots=True)
class Field:
    """A custom field. `input`: users can set it themselves. `returned`: responses contain it.

    `default` is the value of a field that was never set, None without a default.
    """

    type: str
    required: bool = False
    input: bool = True
    returned: bool = True
    default: Any = None


Fields = Mapping[str, Field]
NO_FIELDS: Fields = {}


def type_mismatch(field: Field, value: object) -> tuple[str, str, object] | None:
    """Return how a value breaks the field's type: (path in the value, expected type, actual value). None if it fits.

    None fits every field.
    """
    if value is None:
        return None
    if not field.type.endswith("[]"):
        return None if _fits(field.type, value) else ("", field.type, value)
    if not isinstance(value, list):
        return "", "array", value
    kind = field.type.removesuffix("[]")
    return next(((f".{index}", kind, item) for index, item in enumerate(value) if not _fits(kind, item)), None)


def normalized(field: Field, value: Any) -> Any:
    """Return a valid value as it is stored: a date in UTC with milliseconds, any other value unchanged."""
    return _date(value) if field.type == "date" and value is not None else value


def _fits(kind: str, value: object) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_a_double(value)
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str) and (kind == "string" or _date(value) is not None)


def _is_a_double(value: int | float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _date(text: str) -> str | None:
    """Return an ISO 8601 time in the protocol's format, None if the text is no time. Without an offset it is in UTC."""
    try:
        time = datetime.fromisoformat(text)
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str, taken: frozenset[str]) -> Fields:
    """Return the fields that a JSON object declares. Raises ValueError with the field's name and what is wrong."""
    try:
        declared = json.loads(text or "{}")
    except ValueError:
        raise ValueError('must be a JSON object like {"phone":{"type":"string"}}') from None
    if not isinstance(declared, dict) or len(declared) > MAX_FIELDS:
        raise ValueError(f"must be a JSON object of up to {MAX_FIELDS} fields")
    return {name: _field(name, value, taken) for name, value in declared.items()}


def _field(name: str, value: object, taken: frozenset[str]) -> Field:
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name[:64]!r} must begin with a letter, followed by up to 63 letters, digits and underscores"
        )
    if name in taken:
        raise ValueError(f"{name} is a reserved name: choose another one")
    if not isinstance(value, dict) or (unknown := value.keys() - {"type", *FLAGS, "defaultValue"}):
        what = f"not {', '.join(sorted(unknown))}" if isinstance(value, dict) else "in an object"
        raise ValueError(f"{name} can have type, required, input, returned and defaultValue, {what}")
    if value.get("type") not in TYPES:
        raise ValueError(f"{name}: type must be one of {', '.join(TYPES)}")
    if any(not isinstance(value.get(flag, True), bool) for flag in FLAGS):
        raise ValueError(f"{name}: required, input and returned must be true or false")
    field = Field(value["type"], **{flag: value[flag] for flag in FLAGS if flag in value})
    default = value.get("defaultValue")
    if type_mismatch(field, default) is not None:
        raise ValueError(f"{name}: defaultValue must be of the type {field.type}")
    return Field(field.type, field.required, field.input, field.returned, normalized(field, default))


def _reader(taken: frozenset[str]) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(value, taken) if isinstance(value, str) else value)


UserFields = Annotated[Fields, NoDecode, _reader(RESERVED_FOR_USERS)]
SessionFields = Annotated[Fields, NoDecode, _reader(RESERVED_FOR_SESSIONS)]
USER_FIELDS = "Custom fields of users, as a JSON object: NAME to type, required, input, returned, defaultValue."
SESSION_FIELDS = "Custom fields of sessions, as a JSON object in the form of TRIVET_USER_FIELDS."
"""The descriptions of the two settings, which identity and the gateway read."""
