"""How routes say no where a provider has a part in it: one reason of identity's has several words of the protocol's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import grpc

from gateway.auth.protocol.refusals import Refusal
from trivet.client import reason_of

REFUSALS: Mapping[str, tuple[int, str, str]] = {
    "ACCESS_TOKEN_NOT_FOUND": (400, "ACCESS_TOKEN_NOT_FOUND", "Access token not found"),
    "ACCOUNT_NOT_FOUND": (400, "ACCOUNT_NOT_FOUND", "Account not found"),
    "FAILED_TO_GET_ACCESS_TOKEN": (400, "FAILED_TO_GET_ACCESS_TOKEN", "Failed to get a valid access token"),
    "FAILED_TO_GET_USER_INFO": (401, "FAILED_TO_GET_USER_INFO", "Failed to get user info"),
    "FAILED_TO_REFRESH_ACCESS_TOKEN": (400, "FAILED_TO_REFRESH_ACCESS_TOKEN", "Failed to refresh access token"),
    "FAILED_TO_UNLINK_LAST_ACCOUNT": (400, "FAILED_TO_UNLINK_LAST_ACCOUNT", "You can't unlink your last account"),
    "ID_TOKEN_NOT_SUPPORTED": (404, "ID_TOKEN_NOT_SUPPORTED", "id_token not supported"),
    "INVALID_ID_TOKEN": (401, "INVALID_TOKEN", "Invalid token"),
    "LINKING_DIFFERENT_EMAILS_NOT_ALLOWED": (
        401,
        "LINKING_DIFFERENT_EMAILS_NOT_ALLOWED",
        "Account not linked - different emails not allowed",
    ),
    "LINKING_FAILED": (417, "LINKING_FAILED", "Account not linked - unable to create account"),
    "LINKING_NOT_ALLOWED": (401, "LINKING_NOT_ALLOWED", "Account not linked - linking not allowed"),
    "OAUTH_LINK_ERROR": (401, "OAUTH_LINK_ERROR", ""),
    "PROVIDER_NOT_CONFIGURED": (
        400,
        "PROVIDER_NOT_CONFIGURED",
        "Account is not associated with a configured social provider.",
    ),
    "PROVIDER_NOT_FOUND": (404, "PROVIDER_NOT_FOUND", "Provider not found"),
    "PROVIDER_NOT_SUPPORTED": (400, "PROVIDER_NOT_SUPPORTED", ""),
    "REFRESH_TOKEN_NOT_FOUND": (400, "REFRESH_TOKEN_NOT_FOUND", "Refresh token not found"),
    "SOCIAL_ACCOUNT_ALREADY_LINKED": (409, "SOCIAL_ACCOUNT_ALREADY_LINKED", "Social account already linked"),
    "USER_EMAIL_NOT_FOUND": (401, "USER_EMAIL_NOT_FOUND", "User email not found"),
}
"""Status, code and text by reason; an empty text is identity's own sentence."""


@contextmanager
def provider_refusals() -> Iterator[None]:
    """Turn what a call inside fails with into the protocol's words, where it has any; the rest goes on."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if (reason := reason_of(error)) not in REFUSALS:
            raise
        raise provider_refusal(reason, error.details() or "") from None


def provider_refusal(reason: str, said: str = "") -> Refusal:
    """Return the refusal for a reason; `said` is identity's sentence for it."""
    status, code, text = REFUSALS[reason]
    return Refusal(status, text or said, code)
