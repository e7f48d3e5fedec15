"""Every way in which an auth route says no: codes and texts are the protocol's, which clients translate by."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Self

import grpc
import msgspec

from trivet.client import reason_of

RETRY_SECONDS = 1

TEXTS: Mapping[str, tuple[int, str]] = {
    "BAD_REQUEST": (400, "Invalid JSON in request body"),
    "BANNED_USER": (
        403,
        "You have been banned from this application. Please contact support if you believe this is an error.",
    ),
    "CHANGE_EMAIL_DISABLED": (400, "Change email is disabled"),
    "CREDENTIAL_ACCOUNT_NOT_FOUND": (400, "Credential account not found"),
    "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED": (
        403,
        "Cross-site navigation login blocked. This request appears to be a CSRF attack.",
    ),
    "EMAIL_ALREADY_VERIFIED": (400, "Email is already verified"),
    "EMAIL_CAN_NOT_BE_UPDATED": (400, "Email can not be updated"),
    "EMAIL_MISMATCH": (400, "Email mismatch"),
    "EMAIL_NOT_VERIFIED": (403, "Email not verified"),
    "FAILED_TO_GET_USER_INFO": (404, "Failed to get user info"),
    "FAILED_TO_GET_SESSION": (401, "Failed to get session"),
    "INVALID_CALLBACK_URL": (403, "Invalid callbackURL"),
    "INVALID_EMAIL": (400, "Invalid email"),
    "INVALID_EMAIL_OR_PASSWORD": (401, "Invalid email or password"),
    "INVALID_ERROR_CALLBACK_URL": (403, "Invalid errorCallbackURL"),
    "INVALID_NEW_USER_CALLBACK_URL": (403, "Invalid newUserCallbackURL"),
    "INVALID_ORIGIN": (403, "Invalid origin"),
    "INVALID_PASSWORD": (400, "Invalid password"),
    "INVALID_REDIRECT_URL": (403, "Invalid redirectURL"),
    "INVALID_TOKEN": (404, "Invalid token"),
    "INVALID_USER": (401, "Invalid user"),
    "LAST_ADMIN": (400, "The last administrator cannot be deleted. Make another user an administrator first."),
    "METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED": (
        405,
        "POST method requires deferSessionRefresh to be enabled in session config",
    ),
    "MISSING_OR_NULL_ORIGIN": (403, "Missing or null Origin"),
    "NOT_FOUND": (404, "Not found"),
    "PASSWORD_TOO_COMMON": (400, "Password too common"),
    "PASSWORD_TOO_LONG": (400, "Password too long"),
    "PASSWORD_TOO_SHORT": (400, "Password too short"),
    "RESET_PASSWORD_DISABLED": (400, "Reset password isn't enabled"),
    "SERVICE_UNAVAILABLE": (503, "Service unavailable"),
    "SESSION_EXPIRED": (400, "Session expired. Re-authenticate to perform this action."),
    "SESSION_NOT_FRESH": (403, "Session is not fresh"),
    "TOKEN_EXPIRED": (401, "Token expired"),
    "UNAUTHORIZED": (401, "Unauthorized"),
    "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL": (422, "User already exists. Use another email."),
    "USER_NOT_FOUND": (400, "User not found"),
    "VALIDATION_ERROR": (400, "Validation Error"),
}
"""Status and text by code."""

CODES: Mapping[str, str] = {
    "BANNED_USER": "BANNED_USER",
    "CHANGE_EMAIL_DISABLED": "CHANGE_EMAIL_DISABLED",
    "CREDENTIAL_ACCOUNT_NOT_FOUND": "CREDENTIAL_ACCOUNT_NOT_FOUND",
    "EMAIL_ALREADY_VERIFIED": "EMAIL_ALREADY_VERIFIED",
    "EMAIL_MISMATCH": "EMAIL_MISMATCH",
    "EMAIL_NOT_VERIFIED": "EMAIL_NOT_VERIFIED",
    "EMAIL_TAKEN": "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
    "INVALID_EMAIL": "INVALID_EMAIL",
    "INVALID_EMAIL_OR_PASSWORD": "INVALID_EMAIL_OR_PASSWORD",
    "INVALID_PASSWORD": "INVALID_PASSWORD",
    "INVALID_TOKEN": "INVALID_TOKEN",
    "LAST_ADMIN": "LAST_ADMIN",
    "PASSWORD_TOO_COMMON": "PASSWORD_TOO_COMMON",
    "PASSWORD_TOO_LONG": "PASSWORD_TOO_LONG",
    "PASSWORD_TOO_SHORT": "PASSWORD_TOO_SHORT",
    "RESET_PASSWORD_DISABLED": "RESET_PASSWORD_DISABLED",
    "SESSION_NOT_FOUND": "UNAUTHORIZED",
    "SESSION_NOT_FRESH": "SESSION_EXPIRED",
    "UNKNOWN_SESSION": "UNAUTHORIZED",
    "USER_NOT_FOUND": "USER_NOT_FOUND",
}
"""The protocol's code by identity's reason."""

AWAY = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED})


class Refusal(Exception):
    """An answer that is not the one asked for. A `code` of None leaves the member out of the body."""

    def __init__(
        self, status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{HTTPStatus(status).phrase}: {message}")
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.body = msgspec.json.encode({"message": message} | ({"code": code} if code else {}))

    def without_body(self) -> Self:
        """Return the refusal with its status alone, as a few routes have it."""
        self.body = b""
        return self


def refuse(code: str, *, status: int | None = None) -> Refusal:
    """Return the refusal with the protocol's text for a code, and its status unless the route has another."""
    usual, text = TEXTS[code]
    headers = {"retry-after": str(RETRY_SECONDS)} if usual == HTTPStatus.SERVICE_UNAVAILABLE else None
    return Refusal(status or usual, text, code, headers)


def too_many(retry_after: int) -> Refusal:
    """Return the refusal of a limit: its body has no code."""
    seconds = str(retry_after)
    headers = {"x-retry-after": seconds, "retry-after": seconds}
    return Refusal(429, "Too many requests. Please try again later.", headers=headers)


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal | None:
    """Return what a failed call means to the caller, in our words; None for what nobody expected."""
    if error.code() in AWAY:
        return refuse("SERVICE_UNAVAILABLE")
    if (code := CODES.get(reason_of(error))) is not None:
        return refuse(code)
    return refuse("VALIDATION_ERROR") if error.code() is grpc.StatusCode.INVALID_ARGUMENT else None
