"""From protobuf's Struct to plain values; the other way is `Struct.update`."""

from typing import Any

from google.protobuf.struct_pb2 import Struct, Value


def plain(struct: Struct) -> dict[str, Any]:
    """Return a Struct as dicts, lists, strings, floats, bools and None."""
    return {key: _plain_value(value) for key, value in struct.fields.items()}


def _plain_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return plain(value.struct_value)
        case "list_value":
            return [_plain_value(member) for member in value.list_value.values]
        case "null_value" | None:
            return None
        case kind:
            return getattr(value, kind)
