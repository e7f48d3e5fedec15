"""The only table from gRPC's codes to HTTP's, and the shape of an error's body (AIP-193)."""

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
    "DEADLINE_EXCEEDED": "the answer took too long",
    "UNAVAILABLE": "a service that this needs cannot be reached now",
    "UNIMPLEMENTED": "this is not served here",
    "RESOURCE_EXHAUSTED": "too much is asked at once",
}
"""What is said for a failure that the library met, whose own words name hosts."""

RETRY_SECONDS = 1
"""What a failure of ours says in Retry-After, unless the service that is away knows better."""
DOMAIN = "trivet"
PASSED_THROUGH = (ErrorInfo, BadRequest, RetryInfo)
SILENT = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})


@dataclass(frozen=True, slots=True)
class Cause:
    """A status with the gRPC code and the reasons that it can have in an answer."""

    status: int
    code: str
    reasons: tuple[str, ...]


OF_EVERY_REQUEST = (
    Cause(400, "INVALID_ARGUMENT", ("INVALID_HOST",)),
    Cause(500, "INTERNAL", ("INTERNAL",)),
    Cause(503, "UNAVAILABLE", ("TOO_MANY_IN_FLIGHT",)),
    Cause(504, "DEADLINE_EXCEEDED", ("DEADLINE_EXCEEDED",)),
)
OF_SESSIONS = (
    Cause(401, "UNAUTHENTICATED", ("NOT_SIGNED_IN",)),
    Cause(429, "RESOURCE_EXHAUSTED", ("TOO_MANY_WRONG_TOKENS",)),
)
OF_BODIES = (
    Cause(400, "INVALID_ARGUMENT", ("BODY_BROKEN_OFF",)),
    Cause(408, "DEADLINE_EXCEEDED", ("BODY_TOO_SLOW",)),
    Cause(413, "INVALID_ARGUMENT", ("BODY_TOO_LARGE",)),
    Cause(415, "INVALID_ARGUMENT", ("UNSUPPORTED_MEDIA_TYPE",)),
)
"""What the middlewares refuse, and what a request with a session or with a body meets."""


class ApiError(Exception):
    """A request that the gateway itself answers with an error, in its route's own shape."""

    def __init__(
        self,
        code: str,
        reason: str,
        message: str,
        *,
        status: int | None = None,
        field: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.status = status or HTTP_STATUS[code]
        self.field = field
        self.headers = headers or {}


def body(status: int, code: str, message: str, details: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """Return AIP-193's JSON: the HTTP status, gRPC's code by name, a sentence and typed details."""
    return msgspec.json.encode(
        {"error": {"code": status, "status": code, "message": message, "details": list(details)}}
    )


def refusal(error: ApiError) -> Response:
    """Return the answer to a request that the gateway refused."""
    details: list[dict[str, Any]] = [_typed(ErrorInfo(reason=error.reason, domain=DOMAIN))]
    if error.field:
        violation = BadRequest.FieldViolation(field=error.field, description=error.message)
        details.append(_typed(BadRequest(field_violations=[violation])))
    return Response(
        body(error.status, error.code, error.message, details), error.status, error.headers, "application/json"
    )


def failure(error: grpc.RpcError) -> Response:
    """Return the answer to a request whose RPC failed.

    Only a status that one of our services wrote is passed on; what the library says names addresses, and what
    nobody expected has no text at all.
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
