"""Endpoints that say something and do nothing."""

import re
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.auth.validation import Anything
from gateway.auth.visit import Visit

ERROR_CODE = re.compile("[A-Za-z0-9_'-]+")


async def ok(visit: Visit, _: Anything) -> Response:
    return visit.json({"ok": True})


async def error(visit: Visit, _: Anything) -> Response:
    """Send the browser to the front page with what went wrong: it was on its way from another site."""
    code = visit.request.query_params.get("error", "")
    said = {"error": code if ERROR_CODE.fullmatch(code) else "UNKNOWN"}
    if description := visit.request.query_params.get("error_description"):
        said["error_description"] = description
    return Response(status_code=302, headers={"location": f"/?{urlencode(said)}"})
