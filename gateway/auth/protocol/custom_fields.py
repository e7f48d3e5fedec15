"""A product's own fields in request bodies, by the rules of the original."""

from google.protobuf.struct_pb2 import Struct

from gateway.auth.protocol.refusals import VALIDATION_ERROR, ErrorCode, refuse
from gateway.auth.protocol.validation import type_of
from identity_rules.custom_fields import Field, Fields, type_mismatch

FIELD_NOT_ALLOWED = ErrorCode("FIELD_NOT_ALLOWED", 400, "Field is not allowed to be set")
MISSING_FIELD = ErrorCode("MISSING_FIELD", 400, "Field is required")

FALSY = (None, False, 0, "")
"""Falsy values in JavaScript. The original ignores them for a field that must not be set."""


def new_values(fields: Fields, body: object) -> Struct | None:
    """Return the values of the fields in the body of a creation, None if it has none.

    Raises Refusal for a value of another type (VALIDATION_ERROR), for a field that users must not set
    (FIELD_NOT_ALLOWED) unless it has a default, which is kept, and for a missing field (MISSING_FIELD).
    """
    members = body if isinstance(body, dict) else {}
    for name, field in fields.items():
        if field.required and field.default is None and name not in members:
            raise refuse(MISSING_FIELD, f"{name} is required")
    settable = {name: value for name, value in members.items() if not _keeps_its_default(fields.get(name))}
    return changed_values(fields, settable)


def changed_values(fields: Fields, body: object) -> Struct | None:
    """Return the values of the fields in the body of a change, None if it has none.

    Raises Refusal as `new_values` does, but not for missing fields, and without regard to defaults.
    """
    members = body if isinstance(body, dict) else {}
    given = {name: value for name, value in members.items() if name in fields}
    for name, value in given.items():
        if not fields[name].input and not any(value is nothing or value == nothing for nothing in FALSY):
            raise refuse(FIELD_NOT_ALLOWED, f"{name} is not allowed to be set")
    taken = {name: value for name, value in given.items() if fields[name].input}
    if issues := [issue for name, value in taken.items() if (issue := _issue(name, fields[name], value))]:
        raise refuse(VALIDATION_ERROR, "; ".join(issues))
    if not taken:
        return None
    values = Struct()
    values.update(taken)
    return values


def _keeps_its_default(field: Field | None) -> bool:
    return field is not None and not field.input and field.default is not None


def _issue(name: str, field: Field, value: object) -> str | None:
    """Return zod's message for an invalid value, None for a valid one."""
    found = type_mismatch(field, value)
    if found is None:
        return None
    where, wanted, item = found
    return f"[body.{name}{where}] Invalid input: expected {wanted}, received {type_of(item)}"
