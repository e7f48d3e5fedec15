"""Protects against cross-site requests: origins, fetch metadata, and the URLs of redirects.

The rules and their order are those of the protocol (docs/better-auth.md).
"""

from collections.abc import Mapping
from urllib.parse import unquote

from starlette.requests import Request

from gateway.auth.protocol.refusals import ErrorCode, Refusal, refuse
from gateway.http.csrf import INVALID, MISSING, fault_of_page, page_of
from gateway.http.origins import Origins

FETCH_METADATA = ("sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")

LOGIN_BLOCKED = ErrorCode(
    "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED",
    403,
    "Cross-site navigation login blocked. This request appears to be a CSRF attack.",
)
ORIGINS: Mapping[str, ErrorCode] = {
    INVALID: ErrorCode("INVALID_ORIGIN", 403, "Invalid origin"),
    MISSING: ErrorCode("MISSING_OR_NULL_ORIGIN", 403, "Missing or null Origin"),
}
"""Error codes by what is wrong with the page that sent a request."""
CALLBACKS: Mapping[str, ErrorCode] = {
    "callbackURL": ErrorCode("INVALID_CALLBACK_URL", 403, "Invalid callbackURL"),
    "redirectTo": ErrorCode("INVALID_REDIRECT_URL", 403, "Invalid redirectURL"),
    "errorCallbackURL": ErrorCode("INVALID_ERROR_CALLBACK_URL", 403, "Invalid errorCallbackURL"),
    "newUserCallbackURL": ErrorCode("INVALID_NEW_USER_CALLBACK_URL", 403, "Invalid newUserCallbackURL"),
}
"""Members of a body that hold where the browser goes next, and the error codes of a URL that is not trusted."""


def check_cookie_origin(request: Request, origins: Origins) -> None:
    """Raise Refusal if a request carries cookies and does not come from a trusted page.

    Without an Origin the Referer counts. A request without either is refused.
    """
    if "cookie" in request.headers:
        _check_page(request, origins)


def check_first_sign_in(request: Request, origins: Origins) -> None:
    """Raise Refusal if a page of another site signs a user in, when the browser has no cookie yet.

    Browsers send fetch metadata; with it, a trusted Origin is required. Other clients send neither and pass.
    """
    if "cookie" in request.headers:
        return  # check_cookie_origin has checked it
    metadata = [request.headers.get(name, "").strip() for name in FETCH_METADATA]
    if metadata[:2] == ["cross-site", "navigate"]:
        raise refuse(LOGIN_BLOCKED)
    if any(metadata) or page_of(request.headers):
        _check_page(request, origins)


def check_callbacks(request: Request, body: object, origins: Origins) -> None:
    """Raise Refusal if the body or the query holds a redirect URL that is not trusted."""
    members = body if isinstance(body, dict) else {}
    for name, error_code in CALLBACKS.items():
        url = members.get(name) or (request.query_params.get(name) if name == "callbackURL" else None)
        if url in (None, "", False, 0):  # falsy in JavaScript; validation can still refuse it
            continue
        if not isinstance(url, str):
            raise Refusal(400, f"{error_code.text}: expected a string")
        if not is_safe_callback(url, origins):
            raise refuse(error_code)


def is_safe_callback(url: str, origins: Origins) -> bool:
    """Whether `url` leads to this site or to a trusted origin."""
    return _is_safe_path(url) if url.startswith("/") else origins.trusts_url(url)


def _is_safe_path(url: str) -> bool:
    """Whether no browser can read a relative path as a URL of another host, however it decodes it."""
    path = url.partition("?")[0].partition("#")[0]
    decoded = unquote(path)
    return not (
        decoded.startswith("//")
        or "\\" in url + decoded
        or "%2f" in path.lower()
        or any(ord(char) <= 32 or ord(char) == 127 for char in url + decoded)
    )


def _check_page(request: Request, origins: Origins) -> None:
    if (fault := fault_of_page(request.headers, origins)) is not None:
        raise refuse(ORIGINS[fault])
