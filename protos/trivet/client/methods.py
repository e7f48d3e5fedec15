"""What the .proto files say of each RPC: whether it is repeatable, and its deadline."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from trivet.call.v1.deadline_pb2 import deadline


def methods(audience: str) -> Iterator[MethodDescriptor]:
    """Yield every RPC in the package of a process, `trivet.AUDIENCE.v1`. An unknown process has none."""
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
    """Whether the .proto says that calling twice does no more than calling once."""
    level = method.GetOptions().idempotency_level
    return level in (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)


def declared_deadline(method: MethodDescriptor) -> float | None:
    """Return how many seconds the .proto gives an RPC. None for an RPC without a deadline of its own."""
    options = method.GetOptions()
    return options.Extensions[deadline].ToTimedelta().total_seconds() if options.HasExtension(deadline) else None
