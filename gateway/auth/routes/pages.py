"""The probe /ok and the page /error."""

from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.auth.protocol.context import AuthContext
from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.redirects import with_query
from gateway.auth.protocol.validation import Anything
from gateway.http.description import Description
from gateway.http.landing_page import ERROR_CODE


class Alive(msgspec.Struct):
    """The protocol is served."""

    ok: bool


@Description(answers=(Alive,))
async def ok(context: AuthContext, _: Anything) -> Response:
    """Report that the protocol is served."""
    return context.json(Alive(ok=True))


class Failure(msgspec.Struct):
    """The query of /error: what went wrong."""

    error: str | UnsetType = UNSET
    error_description: str | UnsetType = UNSET


@Description(redirects=True, query=Failure)
async def error(context: AuthContext, _: Anything) -> Response:
    """Show an error. The browser is sent to the product's page for errors, or to the front page."""
    code = context.request.query_params.get("error", "")
    said = {"error": code if ERROR_CODE.fullmatch(code) else "UNKNOWN"}
    if description := context.request.query_params.get("error_description"):
        said["error_description"] = description
    page = context.deps.settings.error_url
    location = with_query(page, **said) if page else f"/?{urlencode(said)}"
    return Response(status_code=302, headers={"location": location})


FEATURE = Feature(endpoints=(Endpoint("GET", "/ok", ok, Anything), Endpoint("GET", "/error", error, Anything)))
