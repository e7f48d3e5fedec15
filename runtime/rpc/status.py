"""Converts errors to google.rpc.Status with machine-readable details."""

from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from runtime.errors import InvalidArgument, ResourceExhausted, ServiceError, Unavailable

ERROR_DOMAIN = "trivet"
CODES = {code.name: code for code in grpc.StatusCode}
NO_RETRY = ("grpc-retry-pushback-ms", "-1")


@dataclass
class WireStatus(grpc.Status):
    """The status with which a call is aborted."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


def wire_status(error: ServiceError) -> grpc.Status:
    """Return the gRPC status of an error.

    A service that answers UNAVAILABLE has already retried: another attempt would outlast the caller's deadline
    (gRFC A6, pushback).
    """
    status = rpc_status.to_status(rich_status(error))
    if not isinstance(error, Unavailable):
        return status
    return WireStatus(status.code, status.details, (*status.trailing_metadata, NO_RETRY))


def rich_status(error: ServiceError) -> Status:
    """Return google.rpc.Status with ErrorInfo, and BadRequest or RetryInfo where they say more."""
    details: list[Any] = [ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=dict(error.metadata))]
    if isinstance(error, InvalidArgument) and error.field:
        violation = BadRequest.FieldViolation(field=error.field, description=error.message)
        details.append(BadRequest(field_violations=[violation]))
    if isinstance(error, (ResourceExhausted, Unavailable)) and error.retry_after:
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(RetryInfo(retry_delay=delay))
    status = Status(code=CODES[error.code].value[0], message=error.message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status
