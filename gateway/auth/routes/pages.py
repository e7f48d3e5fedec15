"""Endpoints that say something and do nothing."""

from urllib.parse import urlencode

from starlette.responses import Response

from gateway.auth.protocol.context import Visit
from gateway.auth.protocol.redirects import with_query
from gateway.auth.protocol.validation import Anything
from gateway.http.landing_page import ERROR_CODE


async def ok(visit: Visit, _: Anything) -> Response:
    return visit.json({"ok": True})


async def error(visit: Visit, _: Anything) -> Response:
    """Send the browser to the product's page for errors, or to the front page, with what went wrong."""
    code = visit.request.query_params.get("error", "")
    said = {"error": code if ERROR_CODE.fullmatch(code) else "UNKNOWN"}
    if description := visit.request.query_params.get("error_description"):
        said["error_description"] = description
    page = visit.deps.settings.error_url
    location = with_query(page, **said) if page else f"/?{urlencode(said)}"
    return Response(status_code=302, headers={"location": location})
