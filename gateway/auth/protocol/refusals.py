"""How an auth route refuses a request: the protocol's error codes and their texts, by which clients translate."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple, Self

import grpc
import msgspec

from trivet.client import reason_of

RETRY_SECONDS = 1


class ErrorCode(NamedTuple):
    """An error code of the protocol, with its usual HTTP status and text.

    If the text is empty, the message of the failed service is used.
    """

    code: str
    status: int
    text: str


BAD_REQUEST = ErrorCode("BAD_REQUEST", 400, "Invalid JSON in request body")
BANNED_USER = ErrorCode(
    "BANNED_USER",
    403,
    "You have been banned from this application. Please contact support if you believe this is an error.",
)
NOT_FOUND = ErrorCode("NOT_FOUND", 404, "Not found")
SERVICE_UNAVAILABLE = ErrorCode("SERVICE_UNAVAILABLE", 503, "Service unavailable")
SESSION_EXPIRED = ErrorCode("SESSION_EXPIRED", 400, "Session expired. Re-authenticate to perform this action.")
UNSUPPORTED_MEDIA_TYPE = ErrorCode("UNSUPPORTED_MEDIA_TYPE", 415, "Content-Type is not allowed")
UNAUTHORIZED = ErrorCode("UNAUTHORIZED", 401, "Unauthorized")
USER_NOT_FOUND = ErrorCode("USER_NOT_FOUND", 400, "User not found")
VALIDATION_ERROR = ErrorCode("VALIDATION_ERROR", 400, "Validation Error")

SHARED: Mapping[str, ErrorCode] = {
    "BANNED_USER": BANNED_USER,
    "SESSION_NOT_FOUND": UNAUTHORIZED,
    "SESSION_NOT_FRESH": SESSION_EXPIRED,
    "UNKNOWN_SESSION": UNAUTHORIZED,
    "USER_NOT_FOUND": USER_NOT_FOUND,
}
"""Error codes by identity's reason, for the reasons with which any call of a signed-in user can fail."""

UNREACHABLE = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)


class Refusal(Exception):
    """An error answer in the protocol's shape. Without a `code` the body has none."""

    def __init__(
        self, status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{HTTPStatus(status).phrase}: {message}")
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.body = msgspec.json.encode({"message": message} | ({"code": code} if code else {}))

    def without_body(self) -> Self:
        """Return the refusal with an empty body, as a few routes answer it."""
        self.body = b""
        return self


def refuse(error_code: ErrorCode, sentence: str = "") -> Refusal:
    """Return the refusal with an error code. `sentence` replaces its text."""
    headers = {"retry-after": str(RETRY_SECONDS)} if error_code.status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return Refusal(error_code.status, sentence or error_code.text, error_code.code, headers)


def too_many(retry_after: int) -> Refusal:
    """Return the refusal of a rate limit. Its body has no code."""
    seconds = str(retry_after)
    headers = {"x-retry-after": seconds, "retry-after": seconds}
    return Refusal(429, "Too many requests. Please try again later.", headers=headers)


def refusal_of(error: grpc.aio.AioRpcError, error_codes: Mapping[str, ErrorCode]) -> Refusal | None:
    """Return the refusal for a failed call by its reason; None for an unexpected failure."""
    if (error_code := error_codes.get(reason_of(error))) is not None:
        return refuse(error_code, "" if error_code.text else error.details() or "")
    if error.code() in UNREACHABLE:
        return refuse(SERVICE_UNAVAILABLE)
    return refuse(VALIDATION_ERROR) if error.code() is grpc.StatusCode.INVALID_ARGUMENT else None
