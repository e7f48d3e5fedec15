"""Distinguishes a delivery whose receiver is unreachable from one that the receiver rejected."""

import grpc

from runtime.errors import DeliveryRejectedError, Unavailable
from trivet.client import reason_of

AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
"""The codes that say nothing about the request: the receiver cannot be reached."""


def delivery_error(error: grpc.aio.AioRpcError, receiver: str) -> Unavailable | DeliveryRejectedError:
    """Return Unavailable if the receiver is away, else DeliveryRejectedError with the code and the reason."""
    if error.code() in AWAY:
        return Unavailable(f"{receiver.upper()}_UNAVAILABLE", f"the {receiver} service does not answer")
    reason = reason_of(error)
    return DeliveryRejectedError(f"{error.code().name} {reason}".rstrip(), reason=reason)
