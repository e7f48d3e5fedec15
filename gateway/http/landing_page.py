"""Pages for people whom a link or a provider has sent to an address that the gateway does not serve.

A product that names no page of its own has its people sent to `/`, with `?error=CODE` if something failed. Behind one
host that address is the product's. Where the front end has another origin it is the gateway's, which answers a page in
place of JSON to a client that accepts HTML.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.request_context import header, request_context_of
from gateway.settings import GatewaySettings

PAGE = Template(Path(__file__).with_name("landing.html").read_text(encoding="utf-8"))
STYLE = Path(__file__).with_name("landing.css").read_text(encoding="utf-8")
POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ERROR_CODE = re.compile("[A-Za-z0-9_'-]+")
MAX_CODE = 64
PROGRAMS = ("/v1/", "/api/", "/webhooks/")
"""Addresses of programs, which are answered in JSON whatever they accept."""

DENIED = "The sign-in was canceled, or the provider refused it."
EXPIRED = "The link is no longer good. It may have been used already, or it is too old. Ask for a new one."
LATER = "This cannot be done now. Try again in a moment."
ANEW = "The sign-in could not be completed. Start it again from the app."
SENTENCES: Mapping[str, str] = {
    "access_denied": DENIED,
    "account_already_linked_to_different_user": "This account is already linked to another user.",
    "account_not_linked": (
        "An account with this email exists already. Sign in the way you did before, then link this provider in the app."
    ),
    "email_does_not_match": "The provider's email is not the one of your account.",
    "email_not_found": "The provider did not share an email address, which this app needs.",
    "email_not_verified": "Verify your email address first.",
    "signup_disabled": "This app does not take new accounts by this provider.",
    "FAILED_TO_GET_USER_INFO": "Sign in first, in this browser. Then follow the link again.",
    "INVALID_TOKEN": EXPIRED,
    "TOKEN_EXPIRED": EXPIRED,
    "USER_NOT_FOUND": EXPIRED,
    "INVALID_USER": "The link was sent to another account than the one that is signed in.",
}


class Landing:
    """Answers a page to browsers that follow a link to an address that nothing serves; all else goes on."""

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        self._app = app
        self._back = way_back(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(PROGRAMS) or not asks_for_a_page(scope):
            await self._app(scope, receive, send)
            return
        request_context_of(scope).route = "/"
        status = 200 if scope["path"] == "/" else 404
        code = Request(scope).query_params.get("error")
        if code is not None:
            response = failed(code, status, self._back)
        elif status == 200:
            response = _page("Done", "You can close this page and go back to the app.", "", status, self._back)
        else:
            response = _page("Nothing is here", "This address leads nowhere.", "", status, self._back)
        await response(scope, receive, send)


def asks_for_a_page(scope: Scope) -> bool:
    """Whether a browser follows a link, by what it accepts; programs ask for JSON or for anything."""
    return scope["method"] in ("GET", "HEAD") and "text/html" in header(scope, b"accept").lower()


def way_back(settings: GatewaySettings) -> str:
    """Return the product's address: the first trusted http(s) origin without wildcards, or none."""
    exact = (origin for origin in settings.trusted_origins if not set(origin) & set("*?"))
    return next((origin for origin in exact if origin.startswith(("https://", "http://"))), "")


def failed(code: str, status: int, back: str) -> Response:
    """Return the page for a failure, by its code, with a link to the address `back` if there is one.

    The sentence is ours: a description in the query could say anything in our name.
    """
    known = code if ERROR_CODE.fullmatch(code) and len(code) <= MAX_CODE else "UNKNOWN"
    sentence = LATER if status >= 500 else SENTENCES.get(known, ANEW)
    return _page("That did not work", sentence, known, status, back)


def _page(title: str, sentence: str, code: str, status: int, back: str) -> Response:
    shown = f'<p class="code">Code: <code>{escape(code)}</code></p>' if code else ""
    link = f'<p><a href="{escape(back)}">Back to the app</a></p>' if back else ""
    text = PAGE.substitute(title=escape(title), sentence=escape(sentence), code=shown, link=link, style=STYLE)
    return Response(text, status, {"content-security-policy": POLICY, "cache-control": "no-store"}, "text/html")
