"""Messages as protobuf JSON, by a plan made once per message type: `json_format` is too slow to answer with.

The same JSON as `json_format` with fields that have no presence always printed, except that a Timestamp has exactly
three fraction digits: the Better Auth client reads the fraction as whole milliseconds.
"""

import base64
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from runtime.struct_codec import whole

Convert = Callable[[Any], Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
"""Times are UTC, and written without an offset."""
LONG = frozenset({FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64})
PLAIN = frozenset({FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_BOOL})


def encode(message: Message) -> bytes:
    """Return a message as JSON in UTF-8."""
    return msgspec.json.encode(converter(message.DESCRIPTOR)(message))


@cache
def converter(descriptor: Descriptor) -> Convert:
    """Return a function from messages of a type to JSON values. Raises TypeError for an unsupported type."""
    if (known := WELL_KNOWN.get(descriptor.full_name)) is not None:
        return known
    always: list[tuple[str, str, Convert]] = []
    if_present: list[tuple[str, str, Convert]] = []

    def convert(message: Any) -> dict[str, Any]:
        out = {key: one(getattr(message, name)) for name, key, one in always}
        for name, key, one in if_present:
            if message.HasField(name):
                out[key] = one(getattr(message, name))
        return out

    for field in descriptor.fields:
        plan = if_present if field.has_presence else always
        plan.append((field.name, field.json_name, _field(field)))
    return convert


def _field(field: FieldDescriptor) -> Convert:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map(field.message_type.fields_by_name["value"])
    one = _one(field)
    if field.is_repeated:
        return lambda values: [one(value) for value in values]
    return one


def _map(value_field: FieldDescriptor) -> Convert:
    one = _one(value_field)
    return lambda entries: {_key(key): one(value) for key, value in entries.items()}


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _one(field: FieldDescriptor) -> Convert:
    kind = field.cpp_type
    if field.message_type is not None:
        # A message can contain itself, so its plan is looked up on first use.
        return lambda message: converter(message.DESCRIPTOR)(message)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode()
    if kind in PLAIN or kind == FieldDescriptor.CPPTYPE_STRING:
        return _same
    if kind in LONG:
        return str
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return _double
    raise TypeError(f"{field.full_name}: no plan for a field of this type")


def _same(value: Any) -> Any:
    return value


def _enum(descriptor: EnumDescriptor) -> Convert:
    if descriptor.full_name == "google.protobuf.NullValue":
        return lambda _: None
    names = {value.number: value.name for value in descriptor.values}
    return lambda number: names.get(number, number)


def _double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def date(message: Any) -> str:
    """Return a Timestamp in UTC with milliseconds."""
    minute, second = divmod(int(message.seconds), 60)
    return _minute(minute) + SECONDS[second] + MILLISECONDS[int(message.nanos) // 1_000_000]


SECONDS = [f":{second:02}." for second in range(60)]
MILLISECONDS = [f"{millisecond:03}Z" for millisecond in range(1_000)]


@lru_cache(maxsize=4_096)  # the times of a page are close together
def _minute(minute: int) -> str:
    return (EPOCH + timedelta(minutes=minute)).isoformat(timespec="minutes")


def _struct(message: Any) -> dict[str, Any]:
    # Sorted, because a map has no order: the same value has the same bytes in every process.
    return {key: _value(value) for key, value in sorted(message.fields.items())}


def _list(message: Any) -> list[Any]:
    return [_value(value) for value in message.values]


def _number(value: float) -> float | str:
    return whole(value) if math.isfinite(value) else _double(value)


def _value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    value = getattr(message, kind)
    return VALUES[kind](value)


VALUES: dict[str, Convert] = {
    "number_value": _number,
    "string_value": _same,
    "bool_value": _same,
    "struct_value": _struct,
    "list_value": _list,
}
WELL_KNOWN: dict[str, Convert] = {
    "google.protobuf.Timestamp": date,
    "google.protobuf.Struct": _struct,
    "google.protobuf.ListValue": _list,
    "google.protobuf.Value": _value,
    # Rare in answers, so json_format is fast enough.
    "google.protobuf.Duration": MessageToDict,
    "google.protobuf.FieldMask": MessageToDict,
    **{
        f"google.protobuf.{name}Value": MessageToDict
        for name in ("Bool", "Bytes", "Double", "Int32", "Int64", "String", "UInt32", "UInt64")
    },
}
