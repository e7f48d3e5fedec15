"""Reads from the .proto files whether an RPC is repeatable, and its deadline."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from trivet.call.v1.deadline_pb2 import deadline


def methods(audience: str) -> Iterator[MethodDescriptor]:
    """Yield all RPCs of a process, which are in the package `trivet.AUDIENCE.v1`. An unknown process has none."""
    try:
        package = import_module(f"trivet.{audience}.v1")
    except ModuleNotFoundError:
        return
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.endswith("_pb2"):
            file = import_module(f"{package.__name__}.{module.name}").DESCRIPTOR
            for service in file.services_by_name.values():
                yield from service.methods


def is_repeatable(method: MethodDescriptor) -> bool:
    """Whether the .proto declares that a second call has no further effect (`idempotency_level`)."""
    level = method.GetOptions().idempotency_level
    return level in (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)


def declared_deadline(method: MethodDescriptor) -> float | None:
    """Return the deadline that the .proto declares for an RPC, in seconds. None if it declares none."""
    options = method.GetOptions()
    return options.Extensions[deadline].ToTimedelta().total_seconds() if options.HasExtension(deadline) else None
