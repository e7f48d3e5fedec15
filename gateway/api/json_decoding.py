"""Decodes JSON into messages. An error names the field."""

import base64
import binascii
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from gateway.http.errors import ApiError, Cause
from runtime import json_text
from runtime.struct_codec import is_exact

Kind = FieldDescriptor
AMBIGUOUS_FIELD = Cause("INVALID_ARGUMENT", "AMBIGUOUS_FIELD")
INVALID_JSON = Cause("INVALID_ARGUMENT", "INVALID_JSON")
INVALID_VALUE = Cause("INVALID_ARGUMENT", "INVALID_VALUE")
UNKNOWN_FIELD = Cause("INVALID_ARGUMENT", "UNKNOWN_FIELD")
UPPER = re.compile("[A-Z]")
INTEGER = re.compile(r"-?[0-9]{1,20}")
RANGES = {
    Kind.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    Kind.CPPTYPE_UINT32: (0, 2**32 - 1),
    Kind.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    Kind.CPPTYPE_UINT64: (0, 2**64 - 1),
}
MASK = "google.protobuf.FieldMask"
EXPECTED = {
    "google.protobuf.Timestamp": "a time like 2026-01-31T12:00:00.000Z",
    "google.protobuf.Duration": "a duration like 3.5s",
    MASK: "field names parted by commas",
    "google.protobuf.Struct": "an object",
    "google.protobuf.ListValue": "an array",
}
FREE_FORM = frozenset(f"google.protobuf.{name}" for name in ("Struct", "ListValue", "Value"))
WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
)


def invalid(field: str, expected: str) -> ApiError:
    """Return the error for a value. It names the field and what was expected."""
    return ApiError(INVALID_VALUE, f"{field}: expected {expected}", field=field)


def decode(body: bytes) -> Any:
    """Return the JSON value of a body. Raises ApiError if it is not JSON in UTF-8 or is nested too deeply."""
    try:
        return json_text.parse(body)
    except ValueError:
        sentence = "the body is not valid JSON in UTF-8, or is nested too deeply"
        raise ApiError(INVALID_JSON, sentence) from None


def twice(cause: Cause, name: str, other: str) -> ApiError:
    """Return the error for a field that is given under both of its names."""
    sentence = f"{name} is given already, as {other}: leave one of the two out"
    return ApiError(cause, sentence, field=name)


@cache
def fields_of(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Return a message's fields by their lowerCamel names and their names in the .proto."""
    return {name: field for field in descriptor.fields for name in (field.name, field.json_name)}


def merge(message: Message, value: Any, path: str = "") -> None:
    """Set a message's fields from a JSON object. Raises ApiError at the first unknown or invalid field."""
    if not isinstance(value, dict):
        raise invalid(path or "body", "an object")
    fields = fields_of(message.DESCRIPTOR)
    spelled: dict[str, str] = {}
    for key, item in value.items():
        field = fields.get(key)
        where = f"{path}.{key}" if path else key
        if field is None:
            raise ApiError(UNKNOWN_FIELD, f"{where[:128]} is not a field here", field=where[:128])
        if spelled.setdefault(field.name, key) != key:
            raise twice(AMBIGUOUS_FIELD, where, spelled[field.name])
        if field.is_repeated:
            _merge_repeated(message, field, item, where)
        elif field.message_type is not None:
            merge_message(getattr(message, field.name), item, where)
        else:
            setattr(message, field.name, scalar(field, item, where))


def merge_message(message: Message, value: Any, where: str) -> None:
    """Set a message from the JSON form of its type. Only `Value` accepts `null`."""
    name = message.DESCRIPTOR.full_name
    if value is None and name != "google.protobuf.Value":
        raise invalid(where, EXPECTED.get(name, "an object"))
    message.SetInParent()
    if not name.startswith("google.protobuf."):
        merge(message, value, where)
        return
    if name == MASK:
        message.MergeFrom(FieldMask(paths=_paths(value, where)))
        return
    try:
        if name in FREE_FORM:
            check_numbers(value, where)
        ParseDict(value, message)
    except (ParseError, ValueError, TypeError, RecursionError, AttributeError):
        raise invalid(where, EXPECTED.get(name, "another value")) from None


def _paths(value: Any, where: str) -> list[str]:
    """Return the paths of a mask with the names of the .proto. The mask can have either names."""
    if not isinstance(value, str):
        raise invalid(where, EXPECTED[MASK])
    return [UPPER.sub(lambda found: f"_{found[0].lower()}", path) for path in value.split(",")] if value else []


def check_numbers(value: Any, where: str) -> None:
    """Raise ApiError if a number in a value for a Struct is too large or too exact for a double."""
    if isinstance(value, dict):
        for key, item in value.items():
            check_numbers(item, f"{where}.{key}"[:256])
    elif isinstance(value, list):
        for index, item in enumerate(value):
            check_numbers(item, f"{where}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise invalid(where, "a number that a double can hold")
    elif isinstance(value, int) and not is_exact(value):
        raise invalid(where, "a number that a double holds exactly: send larger integers as strings")


def _merge_repeated(message: Message, field: FieldDescriptor, items: Any, where: str) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        raise invalid(where, "nothing: maps are not served")
    if not isinstance(items, list):
        raise invalid(where, "an array")
    values = getattr(message, field.name)
    for index, item in enumerate(items):
        if field.message_type is not None:
            merge_message(values.add(), item, f"{where}[{index}]")
        else:
            values.append(scalar(field, item, f"{where}[{index}]"))


def scalar(field: FieldDescriptor, value: Any, where: str) -> Any:
    """Return a JSON value as the value of a scalar field. Raises ApiError."""
    if field.enum_type is not None:
        return _enum(field, value, where)
    if field.type == Kind.TYPE_BYTES:
        return _bytes(value, where)
    if (limits := RANGES.get(field.cpp_type)) is not None:
        return _integer(limits, value, where)
    return SCALARS[field.cpp_type](value, where)


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise invalid(where, "a string")
    return value


def _bool(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise invalid(where, "true or false")
    return value


def _integer(limits: tuple[int, int], value: Any, where: str) -> int:
    """Return an integer. Integers above 53 bits come as strings. In JSON, 3.0 is an integer."""
    low, high = limits
    if isinstance(value, str) and INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise invalid(where, f"an integer from {low} to {high}")
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise invalid(where, "a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise invalid(where, "a number") from None
    if isinstance(value, float) and not math.isfinite(number):  # written in digits; its name is a text
        raise invalid(where, "a number that a double can hold")
    return number


def _enum(field: FieldDescriptor, value: Any, where: str) -> int:
    assert field.enum_type is not None
    known = field.enum_type.values_by_name.get(value) if isinstance(value, str) else None
    if known is not None:
        return int(known.number)
    if isinstance(value, int) and not isinstance(value, bool) and value in field.enum_type.values_by_number:
        return value
    raise invalid(where, f"one of {', '.join(field.enum_type.values_by_name)}, or its number")


def _bytes(value: Any, where: str) -> bytes:
    if isinstance(value, str):
        try:
            standard = value.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
            return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        except (binascii.Error, ValueError):
            pass
    raise invalid(where, "base64")


SCALARS: dict[int, Callable[[Any, str], Any]] = {
    Kind.CPPTYPE_STRING: _string,
    Kind.CPPTYPE_BOOL: _bool,
    Kind.CPPTYPE_DOUBLE: _number,
    Kind.CPPTYPE_FLOAT: _number,
}
