"""A failure as it crosses the edge: google.rpc.Status, with details that machines read."""

from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from runtime.errors import InvalidArgument, ResourceExhausted, ServiceError

ERROR_DOMAIN = "trivet"
CODES = {code.name: code for code in grpc.StatusCode}


def rich_status(error: ServiceError) -> Status:
    """Return google.rpc.Status with ErrorInfo, and BadRequest or RetryInfo where they say more."""
    details: list[Any] = [ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=dict(error.metadata))]
    if isinstance(error, InvalidArgument) and error.field:
        violation = BadRequest.FieldViolation(field=error.field, description=error.message)
        details.append(BadRequest(field_violations=[violation]))
    if isinstance(error, ResourceExhausted):
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(RetryInfo(retry_delay=delay))
    status = Status(code=CODES[error.code].value[0], message=error.message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status
