"""Which calls may be tried again, from what the .proto files say of them."""

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from trivet.cache.v1 import cache_pb2
from trivet.identity.v1 import (
    account_service_pb2,
    auth_service_pb2,
    session_service_pb2,
    subscription_service_pb2,
    user_service_pb2,
)
from trivet.notifications.v1 import (
    analytics_service_pb2,
    delivery_service_pb2,
    log_service_pb2,
    notification_service_pb2,
)

FILES: dict[str, tuple[FileDescriptor, ...]] = {
    "identity": (
        account_service_pb2.DESCRIPTOR,
        auth_service_pb2.DESCRIPTOR,
        session_service_pb2.DESCRIPTOR,
        subscription_service_pb2.DESCRIPTOR,
        user_service_pb2.DESCRIPTOR,
    ),
    "notifications": (
        analytics_service_pb2.DESCRIPTOR,
        delivery_service_pb2.DESCRIPTOR,
        log_service_pb2.DESCRIPTOR,
        notification_service_pb2.DESCRIPTOR,
    ),
    "cache": (cache_pb2.DESCRIPTOR,),
}
"""The files that describe each process's services."""

POLICY = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
# gRFC A6: half the tokens gone stops retries, so a dead service is not called three times as often.
THROTTLING = {"maxTokens": 10, "tokenRatio": 0.1}


def methods(files: Iterable[FileDescriptor]) -> list[MethodDescriptor]:
    """Return every RPC of the files."""
    return [method for file in files for service in file.services_by_name.values() for method in service.methods]


def is_repeatable(method: MethodDescriptor) -> bool:
    """Whether the .proto says that calling twice does no more than calling once."""
    level = method.GetOptions().idempotency_level
    return level in (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)


def service_config(audience: str) -> str:
    """Return gRPC's service config for a process: only repeatable RPCs are retried, within a budget."""
    names: list[dict[str, Any]] = [
        {"service": method.containing_service.full_name, "method": method.name}
        for method in methods(FILES.get(audience, ()))
        if is_repeatable(method)
    ]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": POLICY}], "retryThrottling": THROTTLING})
