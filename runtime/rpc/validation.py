"""Checks the REQUIRED fields of requests, which are read from the .proto files once per message type."""

from collections.abc import Callable, Iterator
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from runtime.errors import InvalidArgument

Check = Callable[[Any], bool]


def required_fields(descriptor: Descriptor, *, nested: bool, path: str = "") -> Iterator[tuple[str, Check]]:
    """Yield the path of each REQUIRED field and a check that it is there.

    Messages are entered only in creates (`nested`): inside an Update's resource everything but the mask is optional.
    """
    for field in descriptor.fields:
        required = field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        if required and (field.is_repeated or field.has_presence or field.cpp_type in _EMPTY_IS_MISSING):
            yield path + field.name, _present(field)
        if nested and field.message_type is not None and not field.is_repeated and _is_ours(field.message_type):
            for name, check in required_fields(field.message_type, nested=True, path=f"{path}{field.name}."):
                yield name, _within(field, check)


def _is_ours(descriptor: Descriptor) -> bool:
    return descriptor.file.package.startswith("trivet.")


# A number or a bool without `optional` is always there: zero and false are values.
_EMPTY_IS_MISSING = frozenset({FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_ENUM})


def _present(field: FieldDescriptor) -> Check:
    name = field.name
    if field.has_presence:
        return lambda message: bool(message.HasField(name))
    return lambda message: bool(getattr(message, name))


def _within(field: FieldDescriptor, check: Check) -> Check:
    name = field.name
    return lambda message: not message.HasField(name) or check(getattr(message, name))


def validator(descriptor: Descriptor, method: str) -> Callable[[Any], None]:
    """Return a function that raises InvalidArgument for the first REQUIRED field that a request lacks."""
    nested = not method.startswith("Update")
    checks = tuple(required_fields(descriptor, nested=nested))

    def validate(request: Any) -> None:
        for path, present in checks:
            if not present(request):
                raise InvalidArgument("REQUIRED_FIELD_MISSING", f"{path} is required", field=path)

    return validate
