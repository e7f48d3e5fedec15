"""Errors of the JSON API: the HTTP status of each gRPC code, and the body (AIP-193)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import msgspec
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from starlette.responses import Response

from trivet.client.errors import status_of

HTTP_STATUS = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
SENTENCES = {
    "CANCELLED": "the call was cancelled",
    "DEADLINE_EXCEEDED": "the request took too long: try again",
    "UNAVAILABLE": "a service that this request needs cannot be reached: try again",
    "UNIMPLEMENTED": "this is not implemented",
    "RESOURCE_EXHAUSTED": "too many requests at a time: try again",
}
"""Messages for failures that gRPC itself reports. Its own messages name hosts."""

RETRY_SECONDS = 1
"""Retry-After of a failure, unless the service gives a time."""
DOMAIN = "trivet"
PASSED_THROUGH = (ErrorInfo, BadRequest, RetryInfo)
SILENT = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a request fails: the gRPC code, the reason, and the HTTP status if it is not the usual one of the code.

    A cause that the gateway raises is a constant of a module. The API description finds it there.
    """

    code: str
    reason: str
    status: int = 0

    @property
    def http_status(self) -> int:
        return self.status or HTTP_STATUS[self.code]


NOT_SIGNED_IN = Cause("UNAUTHENTICATED", "NOT_SIGNED_IN")
TOO_MANY_IN_FLIGHT = Cause("UNAVAILABLE", "TOO_MANY_IN_FLIGHT")
UNSUPPORTED_MEDIA_TYPE = Cause("INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE", 415)


class ApiError(Exception):
    """An error that the gateway itself answers, in the shape of the route."""

    def __init__(
        self, cause: Cause, message: str, *, field: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = cause.code
        self.reason = cause.reason
        self.message = message
        self.status = cause.http_status
        self.field = field
        self.headers = headers or {}


def body(status: int, code: str, message: str, details: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """Return the JSON of AIP-193: the HTTP status, the name of the gRPC code, a message and typed details."""
    return msgspec.json.encode(
        {"error": {"code": status, "status": code, "message": message, "details": list(details)}}
    )


def refusal(error: ApiError) -> Response:
    """Return the response for an ApiError."""
    details: list[dict[str, Any]] = [_typed(ErrorInfo(reason=error.reason, domain=DOMAIN))]
    if error.field:
        violation = BadRequest.FieldViolation(field=error.field, description=error.message)
        details.append(_typed(BadRequest(field_violations=[violation])))
    return Response(
        body(error.status, error.code, error.message, details), error.status, error.headers, "application/json"
    )


def failure(error: grpc.RpcError) -> Response:
    """Return the response for a failed RPC.

    A status that a service wrote is passed on. The message of gRPC itself is replaced, because it names addresses. An
    unexpected failure has no details.
    """
    code = error.code().name if isinstance(error, grpc.aio.AioRpcError) else "UNKNOWN"
    status = HTTP_STATUS[code]
    headers = {"retry-after": str(RETRY_SECONDS)} if code == "UNAVAILABLE" else {}
    rich = None if code in SILENT else status_of(error)
    if rich is None:
        return Response(body(status, code, SENTENCES.get(code, "internal error")), status, headers, "application/json")
    details = []
    for detail in rich.details:
        for kind in PASSED_THROUGH:
            message = kind()
            if detail.Unpack(message):
                details.append(_typed(message))
                if isinstance(message, RetryInfo):
                    headers["retry-after"] = str(max(1, -(-message.retry_delay.ToMilliseconds() // 1000)))
    return Response(body(status, code, rich.message, details), status, headers, "application/json")


def _typed(message: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/{message.DESCRIPTOR.full_name}", **MessageToDict(message)}
