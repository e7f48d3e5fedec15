"""A product's own fields of users and sessions: what may be set, how it is kept, and what of it is answered."""

import json
from collections.abc import Mapping
from typing import Any

from identity_rules.custom_fields import NO_FIELDS, Fields, normalized, type_mismatch
from runtime.errors import InvalidArgument

MAX_BYTES = 16 * 1024


class CustomFields:
    """The fields of one table. Values are kept as a JSON object of ASCII, which every engine holds alike."""

    def __init__(self) -> None:
        self.declared: Fields = NO_FIELDS

    def returned(self, kept: str | None) -> dict[str, Any] | None:
        """Return what is answered: every returned field, None where nothing is set. None if no field is declared."""
        if not self.declared:
            return None
        values = json.loads(kept) if kept else {}
        return {name: values.get(name, field.default) for name, field in self.declared.items() if field.returned}

    def validated(self, given: Mapping[str, Any], where: str, *, by_person: bool) -> dict[str, Any]:
        """Return the values as they are kept. Raises InvalidArgument for what is not declared or not of its type.

        What people may not set is refused if a person sets it; a program may.
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


def merged(kept: str | None, changes: Mapping[str, Any], where: str = "additional") -> str | None:
    """Return the kept values after the changes, None if there are none. Raises InvalidArgument if it is too much."""
    values = {**(json.loads(kept) if kept else {}), **changes}
    text = json.dumps(values, separators=(",", ":"))
    if len(text) > MAX_BYTES:
        raise InvalidArgument("ADDITIONAL_TOO_LARGE", f"{where} may hold {MAX_BYTES} bytes as JSON", field=where)
    return text if values else None


fields_of_users, fields_of_sessions = CustomFields(), CustomFields()
"""What the settings declare, for the whole process: `declare` is called once, before anything is served."""


def declare(users: Fields, sessions: Fields) -> None:
    fields_of_users.declared, fields_of_sessions.declared = users, sessions
