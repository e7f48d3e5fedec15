"""Reads the reason of a failed call."""

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

_DETAILS_KEY = "grpc-status-details-bin"

CALLER_REFUSED = frozenset({"INVALID_ACTOR", "CALLER_NOT_ALLOWED", "NO_POLICY"})
"""Reasons with which a service refuses the calling program, and not a user's request."""


def status_of(error: grpc.RpcError) -> Status | None:
    """Return the google.rpc.Status that a service sent with an error. None if it sent none."""
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
    """Return the ErrorInfo that a service sent: the reason and its metadata. Empty if it sent none."""
    status, info = status_of(error), ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            break
    return info


def reason_of(error: grpc.RpcError) -> str:
    """Return the reason that a service sent, for example `EMAIL_TAKEN`. Empty if it sent none."""
    return str(info_of(error).reason)


def log_text(error: grpc.aio.AioRpcError) -> str:
    """Return a failure as text for the log: its code, and the service's message if it refused the calling program."""
    return f"{error.code().name}: {error.details()}" if is_refused_caller(error) else str(error.code().name)


def is_refused_caller(error: grpc.RpcError) -> bool:
    """Whether a service refused the calling program (its signature or its rights), and not a user's request."""
    return reason_of(error) in CALLER_REFUSED
