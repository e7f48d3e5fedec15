"""Whether a browser may be made to send this request: origins, fetch metadata, and where it may lead afterwards.

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

    A request without an Origin is judged by its Referer, and without either it is refused.
    """
    if "cookie" in request.headers:
        _check_page(request, origins)


def check_first_sign_in(request: Request, origins: Origins) -> None:
    """Raise Refusal if another site's page signs somebody in, before there is any cookie that would tell.

    Browsers send fetch metadata, and then an Origin is wanted; what is no browser sends neither and may pass.
    """
    if "cookie" in request.headers:
        return  # judged already
    metadata = [request.headers.get(name, "").strip() for name in FETCH_METADATA]
    if metadata[:2] == ["cross-site", "navigate"]:
        raise refuse(LOGIN_BLOCKED)
    if any(metadata) or page_of(request.headers):
        _check_page(request, origins)


def check_callbacks(request: Request, body: object, origins: Origins) -> None:
    """Raise Refusal if the body or the query would send the browser to where we do not trust."""
    members = body if isinstance(body, dict) else {}
    for name, error_code in CALLBACKS.items():
        url = members.get(name) or (request.query_params.get(name) if name == "callbackURL" else None)
        if url in (None, "", False, 0):  # what JavaScript takes for nothing, validation may still refuse
            continue
        if not isinstance(url, str):
            raise Refusal(400, f"{error_code.text}: expected a string")
        if not is_safe_callback(url, origins):
            raise refuse(error_code)


def is_safe_callback(url: str, origins: Origins) -> bool:
    """Whether a browser that follows `url` stays with us or lands at a trusted origin."""
    return _is_safe_path(url) if url.startswith("/") else origins.trusts_url(url)


def _is_safe_path(url: str) -> bool:
    """Whether no browser could take a relative path for another host, however it decodes it."""
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
