"""Protects against cross-site requests with cookies: one rule for every route."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request

from gateway.http.errors import ApiError, Cause
from gateway.http.origins import Origins

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
INVALID = "INVALID_ORIGIN"
MISSING = "MISSING_OR_NULL_ORIGIN"
CAUSES: Mapping[str, Cause] = {reason: Cause("PERMISSION_DENIED", reason) for reason in (INVALID, MISSING)}
SENTENCES: Mapping[str, str] = {
    INVALID: "this page's origin is not trusted",
    MISSING: "a change with cookies needs an Origin header: send one of a trusted page, or a bearer token alone",
}


def page_of(headers: Headers) -> str:
    """Return the page that sent a request, by Origin or else by Referer; empty without either."""
    return ", ".join(headers.getlist("origin")) or headers.get("referer") or ""


def fault_of_page(headers: Headers, origins: Origins) -> str | None:
    """Return why the page of a request is not trusted, INVALID or MISSING; None if it is trusted.

    A page without an origin is trusted if the browser says that the request is of the same origin.
    """
    page = page_of(headers)
    if page == "null" and headers.get("sec-fetch-site") == "same-origin":
        return None
    if page in ("", "null"):
        return MISSING
    return None if origins.trusts_url(page) else INVALID


def refuse_foreign_pages(request: Request, origins: Origins) -> None:
    """Raise ApiError if a request with cookies changes something and comes from no trusted page."""
    if request.method in SAFE_METHODS or "cookie" not in request.headers:
        return
    if (fault := fault_of_page(request.headers, origins)) is not None:
        raise ApiError(CAUSES[fault], SENTENCES[fault])
