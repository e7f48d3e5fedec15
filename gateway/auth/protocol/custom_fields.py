"""A product's own fields in the bodies of requests, taken by the original's rules."""

from google.protobuf.struct_pb2 import Struct

from gateway.auth.protocol.refusals import Refusal
from gateway.auth.protocol.validation import type_of
from identity_rules.custom_fields import Field, Fields, wrong

FALSY = (None, False, 0, "")
"""What JavaScript takes for nothing: the original overlooks it where a value must not be set."""


def new_values(fields: Fields, body: object) -> Struct | None:
    """Return what a body gives of the fields when something is made, None if nothing.

    Raises Refusal for a value of another type (VALIDATION_ERROR), for one that people may not set
    (FIELD_NOT_ALLOWED) unless it has a default, which stands, and for one that is missing (MISSING_FIELD).
    """
    members = body if isinstance(body, dict) else {}
    for name, field in fields.items():
        if field.required and field.default is None and name not in members:
            raise Refusal(400, f"{name} is required", "MISSING_FIELD")
    settable = {name: value for name, value in members.items() if not _keeps_its_default(fields.get(name))}
    return changed_values(fields, settable)


def changed_values(fields: Fields, body: object) -> Struct | None:
    """Return what a body gives of the fields when something is changed, None if nothing.

    Raises Refusal as `new_values` does, but for what is missing and for defaults.
    """
    members = body if isinstance(body, dict) else {}
    given = {name: value for name, value in members.items() if name in fields}
    for name, value in given.items():
        if not fields[name].input and not any(value is nothing or value == nothing for nothing in FALSY):
            raise Refusal(400, f"{name} is not allowed to be set", "FIELD_NOT_ALLOWED")
    taken = {name: value for name, value in given.items() if fields[name].input}
    if issues := [issue for name, value in taken.items() if (issue := _issue(name, fields[name], value))]:
        raise Refusal(400, "; ".join(issues), "VALIDATION_ERROR")
    if not taken:
        return None
    values = Struct()
    values.update(taken)
    return values


def _keeps_its_default(field: Field | None) -> bool:
    return field is not None and not field.input and field.default is not None


def _issue(name: str, field: Field, value: object) -> str | None:
    """Return what is wrong with a value, as zod would word it."""
    found = wrong(field, value)
    if found is None:
        return None
    where, wanted, item = found
    return f"[body.{name}{where}] Invalid input: expected {wanted}, received {type_of(item)}"
