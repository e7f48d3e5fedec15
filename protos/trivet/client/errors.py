"""Reading the reason of a failed call."""

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

_DETAILS_KEY = "grpc-status-details-bin"


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


def reason_of(error: grpc.RpcError) -> str:
    """Return the reason that a service gave, for example `EMAIL_TAKEN`; empty if it gave none."""
    status = status_of(error)
    for detail in status.details if status else ():
        info = ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""
