"""The API for people and programs to read: a page at /docs, and what it is made from at /openapi.json.

The page is Scalar's API reference (vendor/README.md), served from here: it loads nothing from another host.
"""

import gzip
import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path
from string import Template

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.api.openapi.document import describe
from gateway.api.openapi.hand_written import Site
from gateway.api.services import SERVICES
from gateway.deps import Deps
from gateway.http.request_context import header

PAGES = Path(__file__).parent
SCALAR = PAGES / "vendor" / "scalar.js.gz"
IMMUTABLE = "public, max-age=31536000, immutable"
"""For the script, whose address changes with its content."""


def routes(deps: Deps, described: Iterable[BaseRoute]) -> list[BaseRoute]:
    """Return the routes of the page and the document about `described` and the services; none if they are off."""
    if not deps.settings.docs_on:
        return []
    document = msgspec.json.encode(describe(SERVICES, described, _site(deps)))
    script = SCALAR.read_bytes()
    page = Page(hashlib.sha256(script).hexdigest()[:16])

    async def openapi(_: Request) -> Response:
        """This API as OpenAPI 3.1."""
        return Response(document, media_type="application/json")

    async def docs(_: Request) -> Response:
        """This API as a page."""
        content, policy = page.render()
        headers = {"content-security-policy": policy, "cache-control": "no-store"}
        return Response(content, media_type="text/html", headers=headers)

    async def scalar(request: Request) -> Response:
        """The script of the page."""
        headers = {"cache-control": IMMUTABLE, "vary": "Accept-Encoding"}
        if "gzip" not in header(request.scope, b"accept-encoding"):
            return Response(gzip.decompress(script), media_type="text/javascript", headers=headers)
        return Response(script, media_type="text/javascript", headers={**headers, "content-encoding": "gzip"})

    return [
        Route("/openapi.json", openapi, include_in_schema=False),
        Route("/docs", docs, include_in_schema=False),
        Route("/docs/scalar.js", scalar, include_in_schema=False),
    ]


class Page:
    """The page of one version of its script."""

    def __init__(self, version: str) -> None:
        self._html = Template((PAGES / "docs.html").read_text(encoding="utf-8"))
        self._script = (PAGES / "docs.js").read_text(encoding="utf-8")
        self._version = version

    def render(self) -> tuple[str, str]:
        """Return the page, and the policy that allows its scripts and styles by a new nonce."""
        nonce = secrets.token_urlsafe(18)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "img-src 'self' data:; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return self._html.substitute(nonce=nonce, script=self._script, version=self._version), policy


def _site(deps: Deps) -> Site:
    settings = deps.settings
    return Site(
        settings.base_url.rstrip("/"), deps.reader.cookies.session_token, settings.user_fields, settings.session_fields
    )
