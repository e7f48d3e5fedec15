"""Converts protobuf's Struct to Python values. `Struct.update` does the opposite."""

from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

from runtime.errors import InvalidArgument

KINDS = "null_value, number_value, string_value, bool_value, struct_value or list_value"
INT64_LIMIT = 2**63
"""Whole numbers from here on stay floats: BSON and many JSON parsers have no larger integers."""


def plain(struct: Struct, path: str) -> dict[str, Any]:
    """Return a Struct as dicts, lists, strings, numbers, bools and None; a whole number is an int.

    `path` is the Struct's field. Raises InvalidArgument for a value without a kind, which is not even null.
    """
    return {key: _plain_value(value, path, key) for key, value in struct.fields.items()}


def whole(number: float) -> int | float:
    """Return a whole number as an int, so that JSON has `5` for it and not `5.0`."""
    return int(number) if number.is_integer() and abs(number) < INT64_LIMIT else number


def number(text: str) -> int | float:
    """Return a JSON number. `5.0` becomes an int."""
    return whole(float(text))


def is_exact(number: int) -> bool:
    """Whether a double, the only number type of a Struct, represents an integer exactly."""
    try:
        return int(float(number)) == number
    except OverflowError:
        return False


def _plain_value(value: Value, path: str, name: object) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            return whole(value.number_value)
        case "struct_value":
            return plain(value.struct_value, f"{path}.{name}")
        case "list_value":
            where = f"{path}.{name}"
            return [_plain_value(member, where, index) for index, member in enumerate(value.list_value.values)]
        case "null_value":
            return None
        case None:
            where = f"{path}.{name}"[:256]
            raise InvalidArgument("VALUE_WITHOUT_KIND", f"{where} has no kind: set {KINDS}", field=where)
        case kind:
            return getattr(value, kind)
