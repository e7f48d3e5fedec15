"""Query parameters as fields of a message."""

from typing import Any
from urllib.parse import parse_qsl

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.api.json_decoding import EXPECTED, INTEGER, WRAPPERS, fields_of, invalid, merge_message, scalar, twice
from gateway.http.errors import ApiError, Cause

MAX_PARAMETERS = 200
Kind = FieldDescriptor
AMBIGUOUS_PARAMETER = Cause("INVALID_ARGUMENT", "AMBIGUOUS_PARAMETER")
INVALID_QUERY = Cause("INVALID_ARGUMENT", "INVALID_QUERY")
SECRET_IN_URL = Cause("INVALID_ARGUMENT", "SECRET_IN_URL")
UNKNOWN_PARAMETER = Cause("INVALID_ARGUMENT", "UNKNOWN_PARAMETER")
SECRETS = frozenset({"password", "current_password", "new_password", "token"})
"""Fields that are refused in a URL: proxies, logs and browser histories keep URLs."""
BOOLS = {"true": True, "false": False}


def parameters(query: bytes) -> dict[str, list[str]]:
    """Return a query string's values by name, in their order. Raises ApiError if it is malformed."""
    found: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except (ValueError, UnicodeDecodeError):
        raise ApiError(INVALID_QUERY, "the query string is malformed or has too many parameters") from None
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def merge_query(message: Message, query: bytes) -> None:
    """Set a message's fields from a query string: `type=...`, repeated names for lists, dots into messages.

    Values of the body are replaced. Raises ApiError if a parameter is unknown, invalid or given twice.
    """
    spelled: dict[tuple[str, ...], str] = {}
    for name, values in parameters(query).items():
        path = _set(message, name, values)
        if spelled.setdefault(path, name) != name:
            raise twice(AMBIGUOUS_PARAMETER, name, spelled[path])


def _set(message: Message, name: str, values: list[str]) -> tuple[str, ...]:
    """Set the field of a name, and return its path with the names of the .proto."""
    path: list[str] = []
    *parents, last = name.split(".")
    for parent in parents:
        field = fields_of(message.DESCRIPTOR).get(parent)
        if field is None or field.is_repeated or field.message_type is None or _is_known(field):
            raise _unknown(name)
        message = getattr(message, field.name)
        path.append(field.name)
    field = fields_of(message.DESCRIPTOR).get(last)
    if field is None or (field.message_type is not None and not _has_text(field)):
        raise _unknown(name)
    if field.name in SECRETS:
        raise ApiError(SECRET_IN_URL, f"{name[:128]} must not be in a URL", field=name[:128])
    message.ClearField(field.name)
    if field.is_repeated:
        getattr(message, field.name).extend(_read(field, value, name) for value in values)
    elif len(values) > 1:
        raise invalid(name, "one value")
    elif field.message_type is None:
        setattr(message, field.name, _read(field, values[0], name))
    else:
        merge_message(getattr(message, field.name), _text_of(field, values[0]), name)
    return (*path, field.name)


def _read(field: FieldDescriptor, text: str, name: str) -> Any:
    value: Any = BOOLS.get(text, text) if field.cpp_type == Kind.CPPTYPE_BOOL else text
    if field.enum_type is not None and INTEGER.fullmatch(text):
        value = int(text)
    return scalar(field, value, name)


def _text_of(field: FieldDescriptor, text: str) -> Any:
    assert field.message_type is not None
    return BOOLS.get(text, text) if field.message_type.full_name == "google.protobuf.BoolValue" else text


def _is_known(field: FieldDescriptor) -> bool:
    assert field.message_type is not None
    return str(field.message_type.full_name).startswith("google.protobuf.")


def _has_text(field: FieldDescriptor) -> bool:
    """Whether a field's type is written as one text: times, durations, masks and wrappers are."""
    assert field.message_type is not None
    name = field.message_type.full_name
    return not field.is_repeated and (
        name in WRAPPERS or (name in EXPECTED and not name.endswith(("Struct", "ListValue")))
    )


def _unknown(name: str) -> ApiError:
    return ApiError(UNKNOWN_PARAMETER, f"{name[:128]} is not a parameter here", field=name[:128])
