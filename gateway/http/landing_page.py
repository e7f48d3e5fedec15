"""Pages for browsers that a link or a provider sent to an address that the gateway does not serve.

Links and sign-ins without a callback URL redirect to `/`, with `?error=CODE` after a failure. Behind one host that is
the product's address. If the front end has another origin, it is the gateway's. A client that accepts HTML gets a page
there instead of JSON.
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
"""Paths for programs. Their answers are JSON for every Accept header."""

DENIED = "The sign-in was canceled, or the provider refused it."
EXPIRED = "The link is no longer good. It may have been used already, or it is too old. Ask for a new one."
LATER = "This cannot be done now. Try again in a moment."
START_AGAIN = "The sign-in could not be completed. Start it again from the app."
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
    """Answers with a page if a browser follows a link to an address that is not served. Other requests pass."""

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        self._app = app
        self._front_page = front_page(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(PROGRAMS) or not accepts_html(scope):
            await self._app(scope, receive, send)
            return
        request_context_of(scope).route = "/"
        status = 200 if scope["path"] == "/" else 404
        code = Request(scope).query_params.get("error")
        if code is not None:
            response = failed(code, status, self._front_page)
        elif status == 200:
            response = _page("Done", "You can close this page and go back to the app.", "", status, self._front_page)
        else:
            response = _page("Nothing is here", "This address leads nowhere.", "", status, self._front_page)
        await response(scope, receive, send)


def accepts_html(scope: Scope) -> bool:
    """Whether a browser follows a link: it accepts HTML. Programs accept JSON or anything."""
    return scope["method"] in ("GET", "HEAD") and "text/html" in header(scope, b"accept").lower()


def front_page(settings: GatewaySettings) -> str:
    """Return the product's address: the first trusted http(s) origin without wildcards; empty without one."""
    exact = (origin for origin in settings.trusted_origins if not set(origin) & set("*?"))
    return next((origin for origin in exact if origin.startswith(("https://", "http://"))), "")


def failed(code: str, status: int, back: str) -> Response:
    """Return the page for a failure, by its code. It links to the address `back` if there is one.

    The sentence comes from SENTENCES. The page does not show an `error_description`, because anyone can write
    one into a query.
    """
    known = code if ERROR_CODE.fullmatch(code) and len(code) <= MAX_CODE else "UNKNOWN"
    sentence = LATER if status >= 500 else SENTENCES.get(known, START_AGAIN)
    return _page("That did not work", sentence, known, status, back)


def _page(title: str, sentence: str, code: str, status: int, back: str) -> Response:
    shown = f'<p class="code">Code: <code>{escape(code)}</code></p>' if code else ""
    link = f'<p><a href="{escape(back)}">Back to the app</a></p>' if back else ""
    text = PAGE.substitute(title=escape(title), sentence=escape(sentence), code=shown, link=link, style=STYLE)
    return Response(text, status, {"content-security-policy": POLICY, "cache-control": "no-store"}, "text/html")
