"""Reading the reason of a failed call."""

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

_DETAILS_KEY = "grpc-status-details-bin"

CALLER_REFUSED = frozenset({"INVALID_ACTOR", "CALLER_NOT_ALLOWED", "NO_POLICY"})
"""The reasons of services that refuse the calling program itself."""


def status_of(error: grpc.RpcError) -> Status | None:
    """Return the rich status that a service sent with an error, or None."""
    if not isinstance(error, grpc.aio.AioRpcError):
        return None
    for key, value in error.trailing_metadata():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                return None
    return None


def info_of(error: grpc.RpcError) -> ErrorInfo:
    """Return the reason that a service gave, and what belongs to it; an empty one if it gave none."""
    status, info = status_of(error), ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            break
    return info


def reason_of(error: grpc.RpcError) -> str:
    """Return the reason that a service gave, for example `EMAIL_TAKEN`; empty if it gave none."""
    return str(info_of(error).reason)


def said_by(error: grpc.aio.AioRpcError) -> str:
    """Return a failure for the log: its code, and the service's sentence if that refused the calling program itself."""
    return f"{error.code().name}: {error.details()}" if is_refused_caller(error) else str(error.code().name)


def is_refused_caller(error: grpc.RpcError) -> bool:
    """Whether a service refused the calling program itself, its signature or its rights, and no person's request."""
    return reason_of(error) in CALLER_REFUSED
