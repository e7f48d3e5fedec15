"""The API for people and programs to read: a page at /docs, and what it is made from at /openapi.json."""

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.api.openapi.document import describe
from gateway.api.services import SERVICES
from gateway.deps import Deps

PAGES = Path(__file__).parent


def routes(deps: Deps, described: Iterable[BaseRoute]) -> list[BaseRoute]:
    """Return the routes of the page and the document about `described` and the services; none if they are off."""
    if not deps.settings.docs_on:
        return []
    document = msgspec.json.encode(describe(SERVICES, described, cookie=deps.reads.cookies.session_token))
    content, policy = page()

    async def openapi(_: Request) -> Response:
        """This API as OpenAPI 3.1."""
        return Response(document, media_type="application/json")

    async def docs(_: Request) -> Response:
        """This API as a page."""
        return Response(content, media_type="text/html", headers={"content-security-policy": policy})

    return [
        Route("/openapi.json", openapi, include_in_schema=False),
        Route("/docs", docs, include_in_schema=False),
    ]


def page() -> tuple[str, str]:
    """Return the page, which needs no other host, and the policy that lets it run its own script alone."""
    style, script = ((PAGES / name).read_text(encoding="utf-8") for name in ("docs.css", "docs.js"))
    html = (PAGES / "docs.html").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return html.replace("/* style */", style).replace("/* script */", script), policy


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
