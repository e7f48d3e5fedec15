"""Custom fields of users and sessions: validation, storage, and the values that responses contain."""

import json
from collections.abc import Mapping
from typing import Any

from identity_rules.custom_fields import NO_FIELDS, Fields, normalized, type_mismatch
from runtime.errors import InvalidArgument

MAX_BYTES = 16 * 1024


class CustomFields:
    """The custom fields of one table. Their values are stored as a JSON object in ASCII, the same on every engine."""

    def __init__(self) -> None:
        self.declared: Fields = NO_FIELDS

    def returned(self, stored: str | None) -> dict[str, Any] | None:
        """Return the values for a response by name, None for a field without a value. None if no field is declared."""
        if not self.declared:
            return None
        values = json.loads(stored) if stored else {}
        return {name: values.get(name, field.default) for name, field in self.declared.items() if field.returned}

    def validated(self, given: Mapping[str, Any], where: str, *, by_person: bool) -> dict[str, Any]:
        """Return the values as they are stored.

        Raises InvalidArgument (UNKNOWN_FIELD, INVALID_FIELD, and FIELD_NOT_ALLOWED if a person sets a field that only
        programs can set).
        """
        return {name: self._validated(name, value, where, by_person) for name, value in given.items()}

    def _validated(self, name: str, value: Any, where: str, by_person: bool) -> Any:
        path, field = f"{where}.{name[:64]}", self.declared.get(name)
        if field is None:
            raise InvalidArgument("UNKNOWN_FIELD", f"{path} is not declared in the settings", field=path)
        if by_person and not field.input:
            raise InvalidArgument("FIELD_NOT_ALLOWED", f"{path} is not allowed to be set", field=path)
        if type_mismatch(field, value) is not None:
            raise InvalidArgument("INVALID_FIELD", f"{path} must be of the type {field.type}", field=path)
        return normalized(field, value)


def merged(stored: str | None, changes: Mapping[str, Any], where: str = "additional") -> str | None:
    """Return the stored values after the changes, None if there are none.

    Raises InvalidArgument (ADDITIONAL_TOO_LARGE).
    """
    values = {**(json.loads(stored) if stored else {}), **changes}
    text = json.dumps(values, separators=(",", ":"))
    if len(text) > MAX_BYTES:
        raise InvalidArgument(
            "ADDITIONAL_TOO_LARGE", f"{where} must have at most {MAX_BYTES} bytes as JSON", field=where
        )
    return text if values else None


fields_of_users, fields_of_sessions = CustomFields(), CustomFields()
"""The custom fields of this process. `declare` sets them once, before the server starts."""


def declare(users: Fields, sessions: Fields) -> None:
    fields_of_users.declared, fields_of_sessions.declared = users, sessions
