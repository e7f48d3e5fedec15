"""What the failure of a call means to a program that has something to deliver."""

import grpc

from runtime.errors import RefusedError, Unavailable
from trivet.client import reason_of

AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
"""The only codes that say nothing about the request: the receiver is away, for everything that is meant for it."""


def undelivered(error: grpc.aio.AioRpcError, receiver: str) -> Unavailable | RefusedError:
    """Return Unavailable if the receiver is away; else RefusedError with the code, and the receiver's reason."""
    if error.code() in AWAY:
        return Unavailable(f"{receiver.upper()}_UNAVAILABLE", f"the {receiver} service does not answer")
    reason = reason_of(error)
    return RefusedError(f"{error.code().name} {reason}".rstrip(), reason=reason)
